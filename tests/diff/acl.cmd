# Users: making, showing, changing them.
ACL WHOAMI
ACL LIST
ACL USERS
ACL GETUSER default
ACL GETUSER nobody
ACL SETUSER bob
ACL GETUSER bob
ACL LIST
ACL SETUSER "a b" on
ACL SETUSER bob on >secret >other ~foo:* %R~read* %w~write* %RW~both &chan resetchannels &news:* &chan
ACL GETUSER bob
ACL SETUSER bob <other
ACL SETUSER bob <other
ACL SETUSER bob !12
ACL SETUSER bob #2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b
ACL SETUSER bob !2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b
ACL GETUSER bob
ACL SETUSER bob >secret
ACL SETUSER bob +get +set +mget +GETSET +copy -getset +client|id +config -config|set +select|3
ACL SETUSER bob +nosuch
ACL SETUSER bob +@nosuch
ACL SETUSER bob -select|3
ACL SETUSER bob +config|nosuch
ACL SETUSER bob +config|get|x
ACL SETUSER bob +get|
ACL SETUSER bob bogus
ACL SETUSER bob %~
ACL SETUSER bob %
ACL SETUSER bob %RX~x
ACL SETUSER bob "~a b"
ACL SETUSER bob "&a b"
ACL SETUSER bob off ~* ~x
ACL SETUSER bob allchannels &x
ACL SETUSER bob (
ACL SETUSER bob )
ACL SETUSER bob (~x
ACL SETUSER bob (bogus)
ACL SETUSER bob "(&* &x)"
ACL SETUSER bob "" ""
ACL SETUSER sel "(~a +get)" "(%R~b +@all)" (~c +set ) ( ~d -@all )
ACL GETUSER sel
ACL SETUSER sel clearselectors
ACL GETUSER sel
ACL SETUSER full allkeys allchannels allcommands nopass on skip-sanitize-payload
ACL GETUSER full
ACL SETUSER full sanitize-payload
ACL GETUSER full
ACL SETUSER full reset
ACL GETUSER full
ACL SETUSER cat +@all -@connection
ACL GETUSER cat
ACL SETUSER cat reset +@hash -hset
ACL GETUSER cat
ACL SETUSER cat -hset|x
ACL SETUSER cat resetpass resetkeys nocommands
ACL USERS
ACL DELUSER cat nobody full
ACL DELUSER default
ACL DELUSER sel default
ACL USERS
ACL DELUSER
ACL SETUSER
ACL GETUSER
ACL BOGUS
ACL
ACL CAT
? ACL CAT hyperloglog
? ACL CAT bitmap
ACL CAT nosuch
ACL CAT a b
ACL GENPASS 0
ACL GENPASS 4097
ACL GENPASS x
ACL GENPASS 1 2
ACL LOAD
ACL SAVE
ACL LOAD x
ACL HELP x
# What they may do
@2 AUTH bob wrong
@2 AUTH bob secret
@2 ACL WHOAMI
ACL SETUSER bob +acl|whoami +acl|log +multi +exec +discard +publish +subscribe +psubscribe +unsubscribe +punsubscribe +sort +watch +ping +ssubscribe +sunsubscribe +spublish
@2 ACL WHOAMI
@2 SET foo:1 a
@2 SET bar a
@2 GET foo:1
@2 GET read1
@2 SET read1 x
@2 SET write1 x
@2 SET write1 x GET
@2 GET write1
@2 MGET foo:1 foo:2 bar
@2 COPY read1 write2
@2 COPY write1 read1
@2 DEL foo:1
@2 CLIENT LIST
@2 CONFIG SET timeout 0
@2 CONFIG GET timeout
@2 SELECT 3
@2 SELECT 2
@2 SELECT 0
@2 NOSUCH
@2 GET
@2 PUBLISH news:1 x
@2 PUBLISH other x
@2 SPUBLISH other x
@2 SSUBSCRIBE other
@2 SUBSCRIBE news:1 other
@2 PSUBSCRIBE news:1
@2 SORT foo:l BY w*
@2 SORT foo:l LIMIT 0 x GET #
@2 SORT foo:l ALPHA GET #
@2 MULTI
@2 SET foo:1 b
@2 DEL foo:1
@2 EXEC
@2 MULTI
@2 SET foo:1 b
@2 PING
@2 PUBLISH chan x
@2 GET foo:1
ACL SETUSER bob -set -ping resetchannels
@2 EXEC
@2 GET foo:1
ACL SETUSER bob off
@2 GET foo:1
@3 AUTH bob secret
ACL SETUSER bob on +set &news:*
@2 MULTI
@2 SET foo:1 c
ACL SETUSER bob resetkeys ~none
@2 EXEC
@2 EXEC
@2 MULTI
@2 SET none c
@2 EXEC
@2 AUTH default x
@2 ACL WHOAMI
@2 AUTH bob secret
@2 RESET
@2 ACL WHOAMI
# What would be
ACL SETUSER dry +@all -@admin ~v* %R~r*
ACL DRYRUN nobody GET v
ACL DRYRUN dry NOSUCH v
ACL DRYRUN dry GET v
ACL DRYRUN dry GET x
ACL DRYRUN dry SET r1 x
ACL DRYRUN dry SET v
ACL DRYRUN dry CONFIG GET x
ACL DRYRUN dry PUBLISH c x
ACL DRYRUN dry ZUNIONSTORE v 2 r x
ACL DRYRUN dry ZUNIONSTORE v 3 r x
ACL DRYRUN dry
ACL DRYRUN dry OBJECT ENCODING x
ACL DRYRUN dry LMPOP 2 v x LEFT
ACL DRYRUN dry XADD x * a 1
ACL DRYRUN dry SET r1 x GET
ACL DRYRUN dry BITFIELD r1 GET u8 0
ACL DRYRUN dry BITFIELD r1 SET u8 0 1
ACL DRYRUN dry GEORADIUS r 1 2 3 m STORE x
# What was denied
ACL LOG RESET
ACL LOG
ACL LOG x
ACL LOG 1 2
ACL LOG -1
# Passwords of the default user
AUTH x
AUTH a b c
CONFIG SET requirepass pass
@4 PING
@4 AUTH wrong
@4 AUTH pass
@4 PING
@5 HELLO 3
@5 HELLO 3 AUTH default wrong
@5 GET x
@5 QUIT
ACL GETUSER default
CONFIG SET requirepass ""
@6 PING
ACL GETUSER default
ACL SETUSER default off
@7 PING
@7 AUTH default x
ACL SETUSER default on
@7 PING
ACL SETUSER default -@all +acl +hello
GET x
PING
ACL SETUSER default +@all
GET x
CONFIG SET acl-pubsub-default allchannels
ACL SETUSER chans
ACL GETUSER chans
ACL SETUSER chans &x
CONFIG SET acl-pubsub-default bogus
CONFIG SET acl-pubsub-default resetchannels
ACL SETUSER chans reset
ACL GETUSER chans
# A user that goes takes its connections along.
ACL SETUSER gone on nopass +@all ~*
@8 AUTH gone x
@8 PING
ACL DELUSER gone
@8 PING
