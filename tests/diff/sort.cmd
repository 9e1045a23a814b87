# SORT: every option and error, on lists, sets and sorted sets.
SORT
SORT none
SORT none STORE d
SET str x
SORT str
RPUSH l 3 1 2 10 -5 2.5
SORT l
SORT l DESC
SORT l ASC
SORT l ALPHA
SORT l ALPHA DESC
SORT l LIMIT 0 2
SORT l LIMIT 2 10
SORT l LIMIT 10 2
SORT l LIMIT -1 3
SORT l LIMIT 1 -1
SORT l LIMIT 1 0
SORT l LIMIT 1
SORT l LIMIT x 1
SORT l LIMIT 1 x
SORT l nonsense
SORT l BY
SORT l GET
SORT l STORE
SORT l BY nosort
SORT l BY nosort DESC
SORT l BY nosort LIMIT 1 2
SORT l BY nosort GET #
RPUSH bad 1 a 2
SORT bad
SORT bad ALPHA
MSET w_1 9 w_2 8 w_3 7 w_10 6 w_-5 5 w_2.5 x
SORT l BY w_*
SET w_2.5 4
SORT l BY w_*
SORT l BY w_* DESC GET #
SORT l BY w_* GET w_* GET # GET none_* GET nostar
SORT l BY w_* ALPHA
DEL w_3
SORT l BY w_*
SORT l BY w_* ALPHA
SORT l BY w_* ALPHA DESC
HSET h_1 f 5 name one
HSET h_2 f 4 name two
HSET h_3 f 3
HSET h_10 f 2 name ten
SORT l BY h_*->f
SORT l BY h_*->f GET h_*->name GET #
SORT l BY h_*->none
SORT l BY h_*-> GET h_*->
SORT l BY w_*->f
SORT l BY h_*
SORT l BY w_* STORE d
LRANGE d 0 -1
SORT l GET none_* STORE d
LRANGE d 0 -1
SORT l LIMIT 100 1 STORE d
EXISTS d
SORT l STORE l
LRANGE l 0 -1
SORT l STORE str
TYPE str
SADD s 5 3 9 1
SORT s
SORT s DESC LIMIT 0 2
SORT s BY nosort STORE d
LRANGE d 0 -1
ZADD z 1 c 2 b 3 a
SORT z ALPHA
SORT z BY nosort
SORT z BY nosort DESC
SORT z BY nosort LIMIT 1 1
SORT z BY nosort STORE d
LRANGE d 0 -1
SORT z
SORT_RO l
SORT_RO l DESC LIMIT 0 2 BY w_* GET #
SORT_RO l STORE d
RPUSH e "" " 1" 1e3 0x10 inf
SORT e
RPUSH n nan 1
SORT n
COMMAND GETKEYS SORT abc STORE def
COMMAND GETKEYS SORT abc LIMIT 0 1 GET # STORE stored GET *
COMMAND GETKEYS SORT_RO abc BY x_*
# numbers beyond what a double holds
DEL l
RPUSH l inf 1 -inf
SORT l
DEL l
RPUSH l 1 1e400
SORT l
DEL l
RPUSH l 1e-400 1
SORT l
