# Scripts: what they may say, what they may not, and what becomes of it
EVAL 'error()' 0
EVAL 'return redis.error_reply("MY err")' 0
EVAL 'return redis.error_reply("boom")' 0
EVAL 'return redis.error_reply("-BOO ab c\r\nd")' 0
EVAL 'return redis.error_reply("-BOO")' 0
EVAL 'return redis.error_reply()' 0
EVAL 'return redis.error_reply(1)' 0
EVAL 'return redis.status_reply(1)' 0
EVAL 'return redis.status_reply("a b")' 0
EVAL 'return redis.status_reply("a\r\nb")' 0
EVAL 'return {err="plain"}' 0
EVAL 'return {err="ERR x\r\ny"}' 0
EVAL 'return {ok="fine\r\n"}' 0
EVAL 'return {1,2,nil,4}' 0
EVAL 'return {double=3.5}' 0
EVAL 'return 3.99' 0
EVAL 'return -3.99' 0
EVAL 'return 1e300' 0
EVAL 'return 0/0' 0
EVAL 'return true' 0
EVAL 'return false' 0
EVAL 'return' 0
EVAL 'retur 1' 0
EVAL 'x x' 0
EVAL "#!lua\nreturn 1" 0
EVAL "#!lua flags=foo\nreturn 1" 0
EVAL "#!js\nreturn 1" 0
EVAL "#!lua name=x\nreturn 1" 0
EVAL '#!lua' 0
EVAL "#!lua flags=no-writes\nreturn redis.call(\"set\",\"a\",\"b\")" 0
EVAL "#!lua flags=no-writes,allow-oom\nreturn redis.call(\"get\",\"s\")" 0
EVAL "#! \nreturn 1" 0
EVAL "#!lua flags=\nreturn 1" 0
EVAL "#!lua flags=no-writes,\nreturn 1" 0
EVAL "#!lua flags=no-cluster flags=allow-stale\nerror(\"x\")" 0
EVAL 'return 1' x
EVAL 'return 1' '-1'
EVAL 'return 1' 5 a
EVALSHA abc 0
EVALSHA abc x
EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db x
EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0
EVAL_RO 'return redis.call("set","a","b")' 0
EVAL_RO "#!lua\nreturn 1" 0
EVAL_RO 'return redis.call("publish","a","b")' 0
SCRIPT LOAD 'x x'
SCRIPT LOAD 'return 1'
EVALSHA E0E1F9FABFC9D4800C877A703B823AC0578FF8DB 0
SCRIPT EXISTS E0E1F9FABFC9D4800C877A703B823AC0578FF8DB a e0e1f9fabfc9d4800c877a703b823ac0578ff8db
SCRIPT EXISTS
SCRIPT FLUSH x
SCRIPT FLUSH SYNC x
SCRIPT FLUSH SYNC
SCRIPT FOO
SCRIPT KILL
SCRIPT DEBUG foo
SCRIPT DEBUG no
SCRIPT HELP
SCRIPT
EVAL 'return redis.sha1hex("a")' 0
EVAL 'return redis.sha1hex()' 0
EVAL 'return redis.sha1hex(1,2)' 0
EVAL 'return redis.sha1hex(12)' 0
EVAL 'return redis.setresp(4)' 0
EVAL 'return redis.setresp()' 0
EVAL 'redis.setresp(3) return redis.call("hgetall","nokey")' 0
EVAL 'redis.log(1)' 0
EVAL 'redis.log("a","b")' 0
EVAL 'redis.log(10,"b")' 0
EVAL 'redis.log(0,"b",3) return 1' 0
EVAL 'return redis.set_repl()' 0
EVAL 'return redis.set_repl(9)' 0
EVAL 'return {type(redis.set_repl(3)), tostring(redis.set_repl(0))}' 0
EVAL 'return redis.breakpoint()' 0
EVAL 'return redis.debug(1)' 0
EVAL 'return redis.acl_check_cmd()' 0
EVAL 'return redis.acl_check_cmd("nope")' 0
EVAL 'return redis.acl_check_cmd("set","a")' 0
EVAL 'return redis.acl_check_cmd("set","a","b")' 0
EVAL 'return redis.acl_check_cmd({})' 0
EVAL 'return redis.REDIS_VERSION' 0
EVAL 'return redis.REDIS_VERSION_NUM' 0
EVAL 'return {redis.REPL_ALL,redis.REPL_AOF,redis.REPL_SLAVE,redis.REPL_REPLICA,redis.REPL_NONE,redis.LOG_DEBUG,redis.LOG_WARNING}' 0
EVAL 'return redis.call("ping")' 0
EVAL 'return redis.call("ping","x")' 0
EVAL 'return redis.call("echo","x")' 0
EVAL 'return redis.call("select","3")' 0
EVAL 'return redis.call("select","300")' 0
EVAL 'return redis.call("select","x")' 0
EVAL 'return redis.call("select","-1")' 0
EVAL 'return redis.call("publish","x","y")' 0
EVAL 'return redis.call("config","get","port")' 0
EVAL 'return redis.call("client","id")' 0
EVAL 'return redis.call("eval","return 1",0)' 0
EVAL 'return redis.call("subscribe","x")' 0
EVAL 'return redis.call("blpop","x",0)' 0
EVAL 'return redis.call("xread","block",0,"streams","a","$")' 0
EVAL 'return redis.call("object")' 0
EVAL 'return redis.call("object","nope")' 0
EVAL 'return redis.call("object","encoding")' 0
EVAL 'return redis.call("wait",0,0)' 0
EVAL 'return redis.call("role")' 0
EVAL 'return redis.call("debug","jmap")' 0
EVAL 'return redis.call("latency","latest")' 0
EVAL 'return redis.call("acl","whoami")' 0
EVAL 'return redis.call("script","exists","a")' 0
EVAL 'return redis.call("script","kill")' 0
EVAL 'return redis.call("monitor")' 0
EVAL 'return redis.call("swapdb",0,1)' 0
EVAL 'return tostring(redis.call("get","nokey"))' 0
EVAL 'redis.setresp(3) return tostring(redis.call("get","nokey"))' 0
EVAL 'return {collectgarbage("count")>1,gcinfo()>1}' 0
EVAL 'return tostring({}):sub(1,6)' 0
EVAL 'return tostring(print)' 0
EVAL 'return loadstring("return 5")()' 0
EVAL 'return unpack({1,2,3})' 0
EVAL 'local a=redis.pcall("nope") return {a.err,type(a.source),type(a.line),tostring(a.ignore_error_stats_update)}' 0
EVAL 'local a=redis.pcall("get") return {a.err,type(a.source),type(a.line),tostring(a.ignore_error_stats_update)}' 0
EVAL 'local ok,e=pcall(error,{err="x"}) return {tostring(ok),type(e),tostring(e)}' 0
EVAL 'local ok,e=xpcall(function() error({err="x"}) end, function(e) return e end) return {tostring(ok),type(e)}' 0
EVAL 'local ok,e=xpcall(function() redis.call("nope") end, function(e) return e end) return {tostring(ok),type(e),type(e)=="table" and e.err or e}' 0
EVAL 'return pcall(function() return 1,2 end)' 0
EVAL 'local ok,e=pcall(function() nope() end) return e' 0
EVAL 'return {big_number="123"}' 0
EVAL 'return {map={a=1}}' 0
EVAL 'return {set={a=true}}' 0
EVAL 'return {verbatim_string={format="txt",string="abc"}}' 0
EVAL "local a = 1\nerror(\"x\")" 0
EVAL "local function f() redis.call(\"nope\") end\nf()" 0
EVAL "local function f() \nreturn redis.call(\"nope\") end\n\nreturn f()" 0
EVAL 'return cjson.encode({1,2,{a=1}})' 0
EVAL "local a,b=loadstring('x x') return b" 0
EVAL 'redis.call("set","n",3.3333333333333333) return redis.call("get","n")' 0
EVAL 'redis.call("set","n",1e15) return redis.call("get","n")' 0
EVAL 'redis.call("set","n",1e20) return redis.call("get","n")' 0
EVAL 'redis.call("set","n",-0.0) return redis.call("get","n")' 0
EVAL 'redis.call("set","n",0/0) return redis.call("get","n")' 0
EVAL 'redis.call("set","n",1/0) return redis.call("get","n")' 0
EVAL 'return redis.call("set","n",true)' 0
EVAL 'return redis.call("SET","n","1","nx")' 0
EVAL 'return redis.call("nope","\r\nx")' 0
EVAL 'return KEYS[1]' 0
EVAL 'KEYS[1]="x" return KEYS[1]' 0
EVAL 'local t={} setmetatable(t,{__index=function() return 5 end}) return t' 0
EVAL 'local t={} setmetatable(t,{__index=function() error("x") end}) return {t.a}' 0
EVAL 'return getmetatable(redis)==nil' 0
EVAL 'return {type(getmetatable(_G)),tostring(getmetatable(_G).__index)~="nil",tostring(getmetatable(_G).__newindex)}' 0
EVAL 'getmetatable(_G).__index=nil return 1' 0
EVAL 'local n=0 for k in pairs(redis) do n=n+1 end return n' 0
EVAL 'return next({})==nil' 0
EVAL 'table.insert(redis,1) return 1' 0
EVAL 'table.sort(redis) return 1' 0
EVAL 'setmetatable(math,{}) return 1' 0
EVAL 'rawset(math,"x",1)' 0
EVAL 'redis.x()' 0
EVAL 'return redis.x' 0
EVAL 'return math.x' 0
EVAL 'local x=nil; x.y=1' 0
EVAL 'return #ARGV' 0
EVAL 'coroutine.wrap(function() error("in co") end)()' 0
EVAL 'coroutine.wrap(function() redis.call("nope") end)()' 0
EVAL 'return cjson.decode("[")' 0
EVAL 'return string.rep("x",3,4)' 0
EVAL 'error("x",0)' 0
EVAL 'error("x",2)' 0
EVAL 'error(5)' 0
EVAL 'error(true)' 0
EVAL 'error({err=5})' 0
EVAL 'return setmetatable({},{__tostring=function() return "q" end})' 0
EVAL 'assert(false)' 0
EVAL 'assert(false,"msg")' 0
EVAL 'assert(nil,{err="T t"})' 0
EVAL 'return math.randomseed(5)' 0
EVAL 'math.randomseed(5) return {tostring(math.random()),tostring(math.random(100)),tostring(math.random(10,20))}' 0
EVAL 'math.randomseed(-7.5) return {tostring(math.random()),tostring(math.random(100)),tostring(math.random(10,20))}' 0
EVAL 'math.randomseed(1e10) return {tostring(math.random()),tostring(math.random(100)),tostring(math.random(10,20))}' 0
EVAL 'return math.random(0)' 0
EVAL 'return math.random(5,1)' 0
EVAL 'return math.random(1,2,3)' 0
EVAL 'return math.random("a")' 0
EVAL 'return redis.call("spop","nokey")' 0
EVAL 'while true do local a={} local x = a .. 1 end' 0
EVAL 'return coroutine.running()==nil' 0
EVAL 'return table.getn({1,2})' 0
EVAL 'return table.setn({1,2},3)' 0
EVAL 'return newproxy' 0
EVAL 'return redis.call("sinter","nokey")' 0
EVAL 'return getfenv' 0
EVAL 'local f=function() end; return string.dump(f)==nil' 0
EVAL 'return redis.call("json.get","x")' 0
EVAL 'return redis.pcall()' 0
EVAL 'redis.log(2,{}) return 1' 0
EVAL 'return redis.setresp(3)' 0
EVAL 'return redis.setresp("3")' 0
EVAL 'return redis.setresp(2.5)' 0
# The third protocol
HSET hash a 1 b 2
ZADD zset 1.5 m
~ HELLO 3
EVAL 'return true' 0
EVAL 'return false' 0
EVAL 'return nil' 0
EVAL 'return {double=3.5}' 0
EVAL 'return {double=1/0}' 0
EVAL 'return {big_number="12345678901234567890"}' 0
EVAL 'return {map={a=1}}' 0
EVAL 'return {set={a=true}}' 0
EVAL 'return {verbatim_string={format="txt",string="abc"}}' 0
EVAL 'redis.setresp(3) return true' 0
EVAL 'redis.setresp(3) return false' 0
EVAL 'return redis.call("hgetall",KEYS[1])' 1 hash
EVAL 'redis.setresp(3) return redis.call("hgetall",KEYS[1])' 1 zzz
EVAL 'redis.setresp(3) return redis.call("hget",KEYS[1],"no")' 1 hash
EVAL 'redis.setresp(3) return redis.call("zscore",KEYS[1],"m")' 1 zset
EVAL 'redis.setresp(3) local r=redis.call("zscore",KEYS[1],"m") return r.double*2' 1 zset
EVAL 'redis.setresp(3) redis.call("sadd","set3","a") return redis.call("smembers","set3")' 0
EVAL 'redis.setresp(3) local r=redis.call("hgetall",KEYS[1]) return {r.map.a,r.map.b}' 1 hash
EVAL 'return redis.call("zscore",KEYS[1],"m")' 1 zset
EVAL 'return redis.error_reply("E x")' 0
~ HELLO 2
EVAL 'redis.setresp(3) return redis.call("hgetall",KEYS[1])' 1 zzz
EVAL 'redis.setresp(3) return true' 0
EVAL 'redis.setresp(3) return false' 0
EVAL 'redis.setresp(3) return redis.call("zscore",KEYS[1],"m")' 1 zset
DEL hash zset
# Keys and arguments
EVAL 'return {KEYS[1],KEYS[2],ARGV[1],ARGV[2],#KEYS,#ARGV}' 2 a b c d
EVAL 'return redis.call("set",KEYS[1],ARGV[1])' 1 k v
EVAL 'return redis.call("get",KEYS[1])' 1 k
EVAL 'return {redis.call("incr",KEYS[1]),redis.call("incrby",KEYS[1],10),redis.call("del",KEYS[1])}' 1 n
EVAL 'for i=1,5 do redis.call("rpush",KEYS[1],i) end return redis.call("lrange",KEYS[1],0,-1)' 1 list
EVAL 'return #redis.call("lrange",KEYS[1],0,-1)' 1 list
EVAL 'redis.call("set",KEYS[1],"first") redis.call("incr",KEYS[1]) redis.call("set",KEYS[1],"second")' 1 half
GET half
EVAL 'redis.call("set",KEYS[1],"x") error("after")' 1 half
GET half
EVAL 'local r=redis.pcall("incr",KEYS[1]) redis.call("set",KEYS[1],"caught") return r' 1 half
GET half
EVAL 'redis.call("select",3) redis.call("set","there","1") return redis.call("dbsize")' 0
GET there
SELECT 3
GET there
SELECT 0
EVAL "return redis.call('set','bin',string.char(0,255,13,10))" 0
EVAL "return redis.call('get','bin')" 0
EVAL "return redis.call('hset',KEYS[1],'a','1','b','2')" 1 hash
EVAL "return redis.call('hgetall',KEYS[1])" 1 hash
EVAL "return redis.call('zadd',KEYS[1],1.5,'m')" 1 zset
EVAL "return redis.call('zrange',KEYS[1],0,-1,'withscores')" 1 zset
EVAL "return redis.call('zscore',KEYS[1],'m')" 1 zset
# Those that are known
SCRIPT LOAD "return {ARGV[1],'known'}"
SCRIPT EXISTS 9ef54f4b9ba9cafe3a17e464956e122047aae6a1
EVAL 'return 1234567' 0
EVALSHA af813b6f13bac60163cec0fb74e989be63c968cf 0
EVALSHA_RO e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0
SCRIPT LOAD "return 1"
EVALSHA_RO e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0
EVALSHA_RO e0e1f9fabfc9d4800c877a703b823ac0578ff8db 1 a
EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0
SCRIPT FLUSH
EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0
SCRIPT EXISTS e0e1f9fabfc9d4800c877a703b823ac0578ff8db
EVAL 'return 1' 0
SCRIPT EXISTS e0e1f9fabfc9d4800c877a703b823ac0578ff8db
EVALSHA E0E1f9fabfc9d4800c877a703b823ac0578ff8db 0
SCRIPT FLUSH ASYNC
SCRIPT LOAD "#!lua flags=foo\nreturn 1"
# Only reading
EVAL_RO 'return redis.call("get",KEYS[1])' 1 half
EVAL_RO 'return redis.call("del",KEYS[1])' 1 half
EVAL_RO "#!lua flags=no-writes\nreturn redis.call('get',KEYS[1])" 1 half
EVAL "#!lua flags=no-writes\nreturn redis.call('get',KEYS[1])" 1 half
EVAL "#!lua flags=no-writes\nlocal r=redis.pcall('del',KEYS[1]) return r.err" 1 half
EVAL "#!lua flags=no-writes\nreturn redis.call('get',KEYS[1])" 1 half
EVAL_RO "#!lua flags=no-writes\nreturn redis.call('pfcount','hll')" 0
EVAL_RO 'return redis.call("keys","hal*")' 0
# In a transaction
MULTI
EVAL 'return redis.call("incr",KEYS[1])' 1 counter
EVAL 'return redis.call("incr",KEYS[1])' 1 counter
EVAL 'return redis.call("nope")' 0
EVAL_RO 'return redis.call("get",KEYS[1])' 1 counter
EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0
SCRIPT LOAD "return 1"
EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0
EXEC
GET counter
WATCH counter
@2 EVAL 'return redis.call("incr",KEYS[1])' 1 counter
MULTI
SET counter mine
EXEC
GET counter
# Who waits is served behind the script
@2 BLPOP pushed 0
EVAL 'redis.call("rpush",KEYS[1],"a","b") return redis.call("llen",KEYS[1])' 1 pushed
@2 PING
LRANGE pushed 0 -1
# Times to live
SET gone 1 PX 5
sleep 20
EVAL 'return redis.call("exists",KEYS[1])' 1 gone
SET gone 1 PX 5
sleep 20
EVAL_RO 'return redis.call("exists",KEYS[1])' 1 gone
EVAL 'redis.call("set",KEYS[1],"v","ex",100) return redis.call("ttl",KEYS[1])' 1 lives
# Too much memory
CONFIG SET maxmemory 1
EVAL 'return redis.call("set","oom","1")' 0
EVAL 'redis.call("del","oom") return redis.call("set","oom","1")' 0
EVAL 'return redis.call("get","oom")' 0
EVAL "#!lua\nreturn 1" 0
EVAL "#!lua flags=allow-oom\nreturn redis.call('set','oom','2')" 0
EVAL "#!lua flags=no-writes\nreturn redis.call('get','oom')" 0
CONFIG SET maxmemory 0
GET oom
# Users
ACL SETUSER scripter on nopass ~mine:* +@all -incr
@2 AUTH scripter x
@2 EVAL 'return redis.call("set",KEYS[1],"1")' 1 mine:a
@2 EVAL 'return redis.call("set",KEYS[1],"1")' 1 other
@2 EVAL 'return redis.call("set","other","1")' 0
@2 EVAL 'return redis.call("incr","mine:a")' 0
@2 EVAL 'return redis.call("publish","ch","m")' 0
@2 EVAL 'return {redis.acl_check_cmd("set","mine:a","1"),redis.acl_check_cmd("set","other","1"),redis.acl_check_cmd("incr","mine:a")}' 0
ACL DELUSER scripter
# COMMAND
COMMAND GETKEYS EVAL 'return 1' 2 a b c
COMMAND GETKEYS EVAL 'return 1' 0
COMMAND GETKEYSANDFLAGS EVAL_RO 'return 1' 1 a
COMMAND INFO eval evalsha eval_ro evalsha_ro
EVAL "return {big_number='123\r\n123'}" 0
EVAL "local a={} for i=1,7999 do a[i]=1 end return redis.call('lpush','l',unpack(a))" 0
EVAL "local a={} for i=1,7999 do a[i]=true end return redis.pcall('lpush','l',unpack(a))" 0
SADD sorted z b a azz
EVAL "return redis.call('sort',KEYS[1],'by','_')" 1 sorted
EVAL "local t={} table.insert(t,'b') table.insert(t,1,'a') table.remove(t) return t" 0
