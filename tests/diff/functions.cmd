# Libraries of functions: what may be loaded, and what becomes of a call
FUNCTION LOAD foo
FUNCTION LOAD foo bar
FUNCTION LOAD '#!lua name=a'
FUNCTION LOAD "#!lua\nreturn 1"
FUNCTION LOAD "#!js name=a\nreturn 1"
FUNCTION LOAD "#! name=a\nreturn 1"
FUNCTION LOAD "#!lua name='a b'\nreturn 1"
FUNCTION LOAD "#!lua name=\"a-b\"\nreturn 1"
FUNCTION LOAD "#!lua name=a name=b\nreturn 1"
FUNCTION LOAD "#!lua name=a foo=bar\nreturn 1"
FUNCTION LOAD "#!lua NAME=a\nreturn 1"
FUNCTION LOAD "#!LUA name=a\nreturn 1"
FUNCTION LOAD "#!lua name='a\nreturn 1"
FUNCTION LOAD "#!lua name=b\nerror('x')"
FUNCTION LOAD "#!lua name=b\nfoo = 1"
FUNCTION LOAD "#!lua name=b\nlocal x = "
FUNCTION LOAD "#!lua name=b\nreturn math.abs(1)"
FUNCTION LOAD "#!lua name=b\nredis.call('get','x')"
FUNCTION LOAD "#!lua name=b\nredis.foo = 1"
FUNCTION LOAD "#!lua name=b\n_G.x = 1"
FUNCTION LOAD "#!lua name=b\nredis.register_function()"
FUNCTION LOAD "#!lua name=b\nredis.register_function(1)"
FUNCTION LOAD "#!lua name=b\nredis.register_function({}, 1)"
FUNCTION LOAD "#!lua name=b\nredis.register_function('x', 1)"
FUNCTION LOAD "#!lua name=b\nredis.register_function(1, 2, 3)"
FUNCTION LOAD "#!lua name=b\nredis.register_function('a-b', function() end)"
FUNCTION LOAD "#!lua name=b\nredis.register_function('', function() end)"
FUNCTION LOAD "#!lua name=b\nredis.register_function('a', function() end) redis.register_function('a', function() end)"
FUNCTION LOAD "#!lua name=b\nredis.register_function{}"
FUNCTION LOAD "#!lua name=b\nredis.register_function{function_name='x'}"
FUNCTION LOAD "#!lua name=b\nredis.register_function{callback=function() end}"
FUNCTION LOAD "#!lua name=b\nredis.register_function{function_name={}, callback=function() end}"
FUNCTION LOAD "#!lua name=b\nredis.register_function{function_name='x', callback=1}"
FUNCTION LOAD "#!lua name=b\nredis.register_function{[1]='x'}"
FUNCTION LOAD "#!lua name=b\nredis.register_function{function_name='x', callback=function() end, flags=1}"
FUNCTION LOAD "#!lua name=b\nredis.register_function{function_name='x', callback=function() end, flags={'nope'}}"
FUNCTION LOAD "#!lua name=b\nredis.register_function{function_name='x', callback=function() end, description={}}"
FUNCTION LOAD "#!lua name=b\nredis.register_function{function_name='x', callback=function() end, more=1}"
FUNCTION LIST
FUNCTION LOAD "#!lua name=test\nlocal function inc(k) return redis.call('incr', k) end redis.register_function('inc', function(keys, args) return {inc(keys[1]), #keys, args} end)"
FUNCTION LOAD "#!lua name=test\nredis.register_function('other', function() end)"
FUNCTION LOAD "#!lua name=TEST\nredis.register_function('INC', function() end)"
FCALL inc 1 n a b
FCALL INC 1 n
FCALL inc 0
FCALL nope 0
FCALL nope x
FCALL inc x
FCALL inc -1
FCALL inc 5 a
FCALL_RO inc 1 n
GET n
FUNCTION LOAD REPLACE "#!lua name=test\nredis.register_function{function_name='get', callback=function(k) return redis.call('get', k[1]) end, flags={'no-writes','allow-oom','allow-stale','no-cluster','allow-cross-slot-keys'}, description='gets'}"
FCALL inc 1 n
FCALL get 1 n
FCALL_RO get 1 n
FUNCTION LIST
FUNCTION LIST WITHCODE
FUNCTION LIST LIBRARYNAME t*
FUNCTION LIST LIBRARYNAME T* WITHCODE
FUNCTION LIST LIBRARYNAME x*
FUNCTION LIST LIBRARYNAME
FUNCTION LIST WITHCODE WITHCODE
FUNCTION LIST x
FUNCTION STATS
FUNCTION KILL
FUNCTION LOAD "#!lua name=bad\nredis.register_function('e', function() error('boo') end) "
FCALL e 0
FUNCTION LOAD "#!lua name=bad2\nredis.register_function('keys', function() return KEYS[1] end)"
FCALL keys 1 a
FUNCTION LOAD "#!lua name=bad3\nredis.register_function('glob', function() x = 1 end)"
FCALL glob 0
FUNCTION LOAD "#!lua name=bad4\nredis.register_function('reg', function() redis.register_function('z', function() end) end)"
FCALL reg 0
FUNCTION LOAD "#!lua name=bad5\nlocal r = redis.register_function redis.register_function('reg2', function() r('z', function() end) end)"
FCALL reg2 0
FUNCTION LOAD "#!lua name=bad6\nredis.register_function('wrong', function() return redis.call('nope') end)"
FCALL wrong 0
FUNCTION LOAD "#!lua name=bad7\nredis.register_function('type', function() return redis.call('lpush', 'n', 'x') end)"
FCALL type 0
FUNCTION LOAD "#!lua name=bad8\nredis.register_function{function_name='ro', callback=function() return redis.call('set', 'n', 'x') end, flags={'no-writes'}}"
FCALL ro 0
FUNCTION STATS
FUNCTION DELETE nope
FUNCTION DELETE bad
FCALL e 0
FUNCTION FLUSH x
FUNCTION FLUSH SYNC x
FUNCTION RESTORE a
FUNCTION RESTORE a FLUSH
FUNCTION RESTORE a BAD
FUNCTION RESTORE a b c
FUNCTION FLUSH ASYNC
FUNCTION LIST
FUNCTION DUMP
FUNCTION LOAD "#!lua name=t\nredis.register_function('f', function() return redis.REDIS_VERSION end)"
FCALL f 0
MULTI
FUNCTION LOAD "#!lua name=m\nredis.register_function('h', function(k) return redis.call('incr', k[1]) end)"
FCALL h 1 counter
FCALL h 1 counter
EXEC
COMMAND GETKEYS FCALL h 1 x
COMMAND GETKEYS FCALL_RO h 0
COMMAND INFO fcall fcall_ro
~ HELLO 3
FUNCTION LIST LIBRARYNAME m
FUNCTION STATS
FUNCTION HELP
FUNCTION NOPE
EVAL "return redis.call('fcall', 'h', 1, 'x')" 0
EVAL "return redis.call('function', 'list')" 0
