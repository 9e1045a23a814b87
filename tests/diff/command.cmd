# What COMMAND says. INFO of containers is compared by subcommand: kvorum has a subset of some, and CLIENT SETINFO besides.
COMMAND INFO get set setnx setex psetex getset getdel getex append strlen setrange getrange substr mget mset msetnx
COMMAND INFO incr decr incrby decrby incrbyfloat
COMMAND INFO del unlink exists type touch keys scan randomkey rename renamenx copy move dbsize flushdb flushall
COMMAND INFO expire pexpire expireat pexpireat expiretime pexpiretime ttl pttl persist
COMMAND INFO multi exec discard watch unwatch
COMMAND INFO ping echo quit reset hello auth select readonly readwrite asking
COMMAND INFO info role wait time save bgsave lastsave shutdown debug bgrewriteaof replicaof slaveof failover
? COMMAND INFO object
? COMMAND INFO cluster
? COMMAND INFO config
COMMAND INFO object|encoding object|freq object|idletime object|refcount object|help
COMMAND INFO client|id client|info client|list client|setname client|getname client|kill client|help client|no-evict
COMMAND INFO config|get config|set config|rewrite config|resetstat config|help
COMMAND INFO command|count command|info command|list command|getkeys command|getkeysandflags command|help
COMMAND INFO memory|usage memory|doctor memory|stats
COMMAND INFO GET Object|Encoding nosuch object|nosuch nosuch|x | ""
COMMAND COUNT x
COMMAND NOSUCH
COMMAND GETKEYS
COMMAND GETKEYS get
COMMAND GETKEYS get a
COMMAND GETKEYS set a b
COMMAND GETKEYS set a b ex 10
COMMAND GETKEYS mget a b c
COMMAND GETKEYS mset a 1 b 2
COMMAND GETKEYS mset a 1 b
COMMAND GETKEYS msetnx a 1 b 2
COMMAND GETKEYS del a b
COMMAND GETKEYS rename a b
COMMAND GETKEYS copy a b db 1
COMMAND GETKEYS move a 1
COMMAND GETKEYS object encoding k
COMMAND GETKEYS object help
COMMAND GETKEYS object nosuch
COMMAND GETKEYS watch a b c
COMMAND GETKEYS nosuch a
COMMAND GETKEYS ping a
COMMAND GETKEYS get a b
COMMAND GETKEYS set a
COMMAND GETKEYS keys *
COMMAND GETKEYS client id
COMMAND GETKEYSANDFLAGS set a b
COMMAND GETKEYSANDFLAGS set a b ex 10 get
COMMAND GETKEYSANDFLAGS get a
COMMAND GETKEYSANDFLAGS mset a 1 b 2
COMMAND GETKEYSANDFLAGS rename a b
COMMAND GETKEYSANDFLAGS object freq k
COMMAND GETKEYSANDFLAGS ping a
COMMAND GETKEYSANDFLAGS nosuch a
COMMAND GETKEYSANDFLAGS get
COMMAND LIST x
COMMAND LIST FILTERBY
COMMAND LIST FILTERBY MODULE
COMMAND LIST FILTERBY MODULE x
COMMAND LIST FILTERBY ACLCAT nosuch
COMMAND LIST FILTERBY X y
? COMMAND LIST FILTERBY ACLCAT transaction
? COMMAND LIST FILTERBY PATTERN expire*
? COMMAND LIST FILTERBY PATTERN *|encoding
? COMMAND LIST FILTERBY PATTERN GETS*
COMMAND LIST FILTERBY PATTERN GETS* x
COMMAND LIST FILTERBY PATTERN ""
@3 HELLO 3 SETNAME
@3 COMMAND INFO get set mset copy nosuch
? @3 COMMAND INFO object
@3 COMMAND INFO client|id
@3 COMMAND GETKEYSANDFLAGS set a b
? @3 COMMAND LIST FILTERBY ACLCAT transaction
@3 COMMAND LIST FILTERBY ACLCAT nosuch
# Unknown commands and arity
NOSUCH
NOSUCH a b c
NOSUCH "with\r\nnewline" x
"NO\x00SUCH" "a\x00b" c
NOSUCH aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa b
NOSUCH aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb c
NOSUCHaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
"" a
OBJECT "no\x00such" x
OBJECT nosuchaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa x
gEt
OBJECT FREQ
COMMAND GETKEYSANDFLAGS SORT k1 STORE k2
