# Every list command, option and error, then a long list whose middle changes, then random ones on a few keys.
SET str x
LPUSH
LPUSH l
LPUSH l a
LPUSH l b c
RPUSH l d 1 -1 01 1.0
LRANGE l 0 -1
LLEN l
OBJECT ENCODING l
TYPE l
LPUSH str a
RPUSH str a
LPUSHX none a
RPUSHX none a
EXISTS none
LPUSHX l x y
RPUSHX l x y
LPUSHX str x
RPUSHX str x
LPUSHX l
LRANGE l 0 -1
LLEN none
LLEN str
LLEN l l
LINDEX l 0
LINDEX l -1
LINDEX l 5
LINDEX l 100
LINDEX l -100
LINDEX l x
LINDEX l 9223372036854775808
LINDEX none x
LINDEX none 0
LINDEX str x
LINDEX l
LSET l 0 new
LSET l -1 last
LSET l 100 x
LSET l -100 x
LSET l x x
LSET none x x
LSET none 0 x
LSET str x x
LSET l 0
LSET l 3 12
LRANGE l 0 -1
LRANGE l 1 3
LRANGE l -3 -2
LRANGE l 5 1
LRANGE l 100 200
LRANGE l -100 1
LRANGE l -100 -99
LRANGE l 0 100
LRANGE l x 1
LRANGE l 1 x
LRANGE none 0 1
LRANGE none x 1
LRANGE str 0 1
LRANGE str x 1
LRANGE l 0 9223372036854775807
LRANGE l -9223372036854775808 9223372036854775807
LRANGE l 0
LINSERT l before a z
LINSERT l BEFORE 12 eleven
LINSERT l AFTER 12 13
LINSERT l after last end
LINSERT l before new start
LINSERT l before nothing x
LINSERT l beside a x
LINSERT none beside a x
LINSERT none before a x
LINSERT str before a x
LINSERT str beside a x
LINSERT l before a
LRANGE l 0 -1
LPOP l
RPOP l
LPOP l 0
LPOP l 2
RPOP l 2
LPOP l -1
LPOP l x
LPOP l 9223372036854775808
LPOP l 1 2
RPOP l 1 2
LPOP none
LPOP none 1
LPOP none 0
LPOP none -1
RPOP none
RPOP none 3
LPOP str
LPOP str 1
LPOP str -1
RPOP l 100
EXISTS l
RPUSH l a
LPOP l
EXISTS l
RPUSH l a b a c a d a
LREM l 1 a
LRANGE l 0 -1
LREM l -1 a
LRANGE l 0 -1
LREM l 0 nothing
LREM l x a
LREM none x a
LREM none 1 a
LREM str 1 a
LREM str x a
LREM l 1
LREM l 0 a
LRANGE l 0 -1
LREM l -5 b
LREM l 9223372036854775807 c
LREM l -9223372036854775808 d
EXISTS l
RPUSH l a b c d e f g
LTRIM l 1 -2
LRANGE l 0 -1
LTRIM l x 1
LTRIM l 0 x
LTRIM none 0 1
LTRIM none x 1
LTRIM str 0 1
LTRIM str x 1
LTRIM l 0
LTRIM l 0 -1
LTRIM l 0 100
LTRIM l -100 -1
LRANGE l 0 -1
LTRIM l -2 -1
LRANGE l 0 -1
LTRIM l 5 1
EXISTS l
RPUSH l a b c 1 2 3 c c 1 2 3
LPOS l c
LPOS l 1
LPOS l 01
LPOS l nothing
LPOS l c RANK 2
LPOS l c RANK 4
LPOS l c RANK -1
LPOS l c RANK -2
LPOS l c RANK 0
LPOS l c RANK x
LPOS l c RANK
LPOS l c COUNT 0
LPOS l c COUNT 1
LPOS l c COUNT 2
LPOS l c COUNT 2 RANK 2
LPOS l c COUNT 0 RANK -2
LPOS l c COUNT -1
LPOS l c COUNT x
LPOS l nothing COUNT 0
LPOS l c MAXLEN 2
LPOS l c MAXLEN 3
LPOS l c MAXLEN 0
LPOS l c MAXLEN -1
LPOS l c MAXLEN x
LPOS l c COUNT 0 MAXLEN 7
LPOS l c COUNT 0 MAXLEN 4 RANK -1
LPOS l c rank 1 count 5 maxlen 100
LPOS l c BAD 1
LPOS l c RANK 1 BAD
LPOS none c
LPOS none c COUNT 1
LPOS none c RANK 0
LPOS str c
LPOS str c RANK 0
LPOS l
LMOVE l other LEFT LEFT
LMOVE l other left right
LMOVE l other RIGHT LEFT
LMOVE l other RIGHT RIGHT
LRANGE other 0 -1
LRANGE l 0 -1
LMOVE l l LEFT RIGHT
LMOVE l l RIGHT LEFT
LMOVE l l LEFT LEFT
LMOVE l l RIGHT RIGHT
LRANGE l 0 -1
LMOVE none other LEFT LEFT
LMOVE none str LEFT LEFT
LMOVE str other LEFT LEFT
LMOVE l str LEFT LEFT
LMOVE l other UP LEFT
LMOVE l other LEFT UP
LMOVE none other UP LEFT
LMOVE l other LEFT
RPOPLPUSH l other
RPOPLPUSH l l
RPOPLPUSH none l
RPOPLPUSH none str
RPOPLPUSH str l
RPOPLPUSH l str
RPOPLPUSH l
LRANGE l 0 -1
LRANGE other 0 -1
DEL l other
RPUSH l one
EXPIRE l 1000
LMOVE l l LEFT LEFT
~ TTL l
RPOPLPUSH l l
~ TTL l
RPOPLPUSH l other
EXISTS l
TTL other
LMPOP 1 none LEFT
LMPOP 2 none other LEFT
LMPOP 2 none other LEFT
RPUSH l 1 2 3 4 5 6
LMPOP 2 none l RIGHT COUNT 2
LMPOP 2 l other LEFT count 2
LMPOP 1 l LEFT COUNT 100
EXISTS l
LMPOP 0 l LEFT
LMPOP -1 l LEFT
LMPOP x l LEFT
LMPOP 2 l LEFT
LMPOP 3 l other LEFT
LMPOP 1 l UP
LMPOP 1 l LEFT COUNT
LMPOP 1 l LEFT COUNT 0
LMPOP 1 l LEFT COUNT -1
LMPOP 1 l LEFT COUNT x
LMPOP 1 l LEFT COUNT 1 COUNT 2
LMPOP 1 l LEFT COUNT 0 COUNT 2
LMPOP 1 l LEFT COUNT 1 BAD
LMPOP 1 l LEFT BAD 1
LMPOP 1 str LEFT
LMPOP 2 none str LEFT
LMPOP 1 l
LMPOP
RPUSH l 1 2 3
LMPOP 2 str l LEFT
LMPOP 2 l str LEFT
SET l x
GET l
LPUSH l x
DEL l
RPUSH l a b
GET l
APPEND l x
INCR l
SETRANGE l 0 x
RENAME l l2
LRANGE l2 0 -1
COPY l2 l3
RPUSH l2 c
LRANGE l3 0 -1
SET l3 x
GET l3
MULTI
RPUSH t 1 2 3
LPOP t 2
LRANGE t 0 -1
LPOP t x
EXEC
COMMAND GETKEYS LMPOP 2 a b LEFT
COMMAND GETKEYS LMOVE a b LEFT LEFT
COMMAND GETKEYS RPUSH a b c
~ HELLO 3
DEL l
LPOP l
LPOP l 1
LINDEX l 1
LRANGE l 0 -1
LPOS l x
LPOS l x COUNT 1
LMPOP 1 l LEFT
RPUSH l a 1
LPOP l 2
LMOVE l l LEFT LEFT
~ HELLO 2
CONFIG SET list-max-listpack-size 5
RPUSH long 20 9 25 41 3 4 34 6 23 37 3 32 13 2 5 27 26 4 15 5 35 27 3 36 7 14 40 40 37 3
RPUSH long 36 37 25 3 14 2 35 8 18 26 9 34 7 36 19 35 43 11 6 37 36 40 12 23 6 35 45 4 36 3
RPUSH long 39 13 31 43 34 27 49 20 29 37 29 23 19 15 11 44 49 15 5 36 19 33 31 21 46 28 18 38 4 7
RPUSH long 32 26 10 48 21 9 31 26 2 42 4 48 35 36 20 21 44 22 38 31 37 29 4 5 17 30 44 42 4 3
RPUSH long 46 44 19 41 36 43 28 18 45 24 42 22 1 29 22 10 39 7 31 3 13 49 18 8 47 15 25 25 31 5
RPUSH long 10 28 25 35 17 8 27 35 17 45 26 22 43 24 14 9 5 11 9 14 42 14 0 31 37 11 16 18 0 9
RPUSH long 26 34 23 39 36 20 8 44 32 39 41 43 47 3 29 49 43 35 25 25 25 25 6 30 40 25 3 12 4 13
RPUSH long 28 10 7 21 38 3 6 0 36 9 34 6 23 39 1 4 13 39 24 9 40 16 22 38 23 30 7 7 31 29
RPUSH long 30 30 19 5 9 6 47 21 47 16 30 44 10 33 1 13 33 23 9 44 34 1 48 33 19 41 5 44 16 33
RPUSH long 23 10 22 49 14 34 34 49 32 21 40 14 39 48 12 15 25 47 14 12 33 31 22 46 1 1 17 30 16 12
RPUSH long 44 38 22 28 46 22 23 5 14 6 14 30 12 21 13 30 39 39 0 30 41 22 41 5 42 7 24 45 48 12
RPUSH long 30 11 27 40 21 5 46 25 29 25 47 5 46 10 10 8 1 9 37 29 41 9 39 38 30 42 22 9 35 35
RPUSH long 8 1 0 46 41 6 33 47 8 27 12 13 1 16 13 18 32 15 48 37 20 16 34 26 8 3 47 22 29 42
RPUSH long 37 33 26 32 8 34 9 33 32 1 28 49 11 38 0 49 9 11 9 30 39 46 7 35 3 20 43 33 33 35
RPUSH long 30 49 6 35 3 15 12 17 2 49 6 32 28 35 1 48 4 28 20 39 32 38 32 12 44 17 28 32 34 30
RPUSH long 32 15 44 33 16 35 12 28 8 26 7 25 28 20 4 42 15 27 4 13 42 19 7 49 9 45 41 42 23 9
RPUSH long 16 8 29 14 47 6 25 31 10 42 14 10 45 27 32 25 21 26 12 22 20 5 46 23 1 21 35 29 28 45
RPUSH long 1 24 21 33 39 18 32 4 7 14 6 5 16 17 2 49 11 17 48 8 27 43 16 25 9 34 32 36 31 44
RPUSH long 20 5 17 3 44 11 27 4 17 1 40 5 16 5 38 14 4 16 7 29 0 21 35 26 17 39 8 2 33 45
RPUSH long 15 7 10 16 3 11 12 19 40 19 33 48 13 18 28 32 43 11 17 22 1 16 2 0 1 46 32 35 12 32
RPUSH long 30 15 28 6 42 41 27 42 31 34 25 32 19 44 13 14 21 12 45 46 40 8 25 22 3 8 0 4 40 47
RPUSH long 16 27 10 3 5 42 24 32 42 18 38 15 44 18 2 29 11 10 17 28 0 16 23 21 35 20 15 2 19 13
RPUSH long 22 11 0 21 24 5 30 17 32 41 12 15 32 49 0 5 16 5 9 25 37 2 25 1 19 19 40 14 5 37
RPUSH long 33 48 9 42 45 38 24 48 20 46 31 9 18 46 39 41 9 2 45 32 40 27 46 44 32 8 33 48 32 36
RPUSH long 1 43 37 45 43 44 41 14 5 1 2 8 40 23 6 24 28 35 3 40 1 40 34 43 15 31 16 0 29 4
RPUSH long 47 32 34 5 42 33 4 47 47 30 16 4 16 15 46 48 13 14 47 41 29 31 24 4 30 43 18 49 2 39
RPUSH long 40 41 12 4 38 9 21 16 41 47 44 19 39 36 8 0 30 3 31 17 43 6 44 13 43 31 18 45 33 18
RPUSH long 29 29 29 49 7 35 12 19 5 30 1 18 29 4 32 28 17 24 13 13 4 37 5 9 47 33 16 23 8 38
RPUSH long 40 32 17 7 45 23 14 31 31 25 1 10 0 31 43 28 25 19 46 9 26 22 24 20 7 21 0 20 48 21
RPUSH long 25 7 12 45 0 47 18 16 23 4 25 24 37 4 23 27 48 17 3 17 6 3 42 18 40 9 15 17 27 32
RPUSH long 20 12 49 23 27 1 48 40 25 35 35 13 46 5 3 46 26 28 39 48 8 41 18 31 3 35 8 10 30 26
RPUSH long 21 18 19 16 47 47 41 16 25 41 15 19 30 35 42 25 7 10 41 10 4 13 32 31 35 14 28 21 48 28
RPUSH long 27 8 35 12 15 5 11 21 35 5 20 15 23 16 36 12 1 47 26 24 26 47 33 13 24 17 21 48 3 31
RPUSH long 17 36 23 8 43 32 33 40 13 5 17 15 24 25 41 28 27 19 1 8 2 27 45 48 30 37 31 0 4 25
RPUSH long 33 29 28 15 6 14 9 9 33 43 6 46 44 41 48 29 5 35 49 2 0 8 14 36 2 41 45 19 8 40
RPUSH long 16 33 40 27 44 48 7 6 4 19 33 37 12 24 16 14 38 0 0 34 19 29 17 20 41 15 30 33 15 35
RPUSH long 15 1 26 45 41 19 3 1 12 31 43 41 26 5 16 14 42 27 23 14 31 2 44 21 45 26 23 43 25 12
RPUSH long 0 18 47 32 4 13 31 12 19 49 12 14 29 14 16 48 18 6 39 31 39 11 14 31 26 42 3 38 9 25
RPUSH long 3 13 1 38 9 26 3 45 3 11 25 28 45 20 46 7 5 10 21 12 11 41 33 47 29 2 19 42 46 24
RPUSH long 23 21 28 10 6 0 5 17 5 22 26 7 35 48 13 24 22 49 19 27 5 3 45 30 12 23 34 28 12 20
LSET long 600 "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"
LINDEX long 600
LINDEX long 599
LINDEX long 601
LSET long 600 7
LREM long 2 30
LINSERT long AFTER 15 i6
LINSERT long AFTER 2 i7
LINSERT long BEFORE 16 i3
LRANGE long 64 84
LPOS long 21 RANK -1 COUNT 2
LREM long 1 2
LREM long 2 45
LRANGE long 324 344
LREM long -1 0
LRANGE long 773 793
LPOS long 40 RANK 1 COUNT 0
LSET long -681 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
LRANGE long 476 496
LINDEX long 717
LREM long 0 31
LSET long 116 5
LINSERT long AFTER 44 i2
LPOS long 15 RANK -1 COUNT 2
LINDEX long -159
LPOS long 5 RANK 2 COUNT 3
LSET long -394 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
LINSERT long BEFORE 30 i8
LPOS long 20 RANK 2 COUNT 3
LINSERT long BEFORE 16 i1
LSET long -703 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
LINDEX long 553
LINDEX long -546
LSET long -628 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
LINDEX long 370
LRANGE long 240 260
LRANGE long 551 571
LRANGE long 777 797
LINSERT long AFTER 18 i4
LPOS long 17 RANK -1 COUNT 2
LRANGE long 266 286
LSET long -1 5
LSET long -398 5
LSET long -324 -70000
LSET long -232 5
LINDEX long -385
LSET long 139 -70000
LSET long 430 5
LRANGE long 475 495
LINSERT long BEFORE 0 i7
LSET long 821 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
LREM long -3 18
LSET long -656 5
LSET long 329 -70000
LSET long -747 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
LPOS long 11 RANK -3 COUNT 2
LRANGE long 6 26
LINSERT long AFTER 13 i0
LREM long -1 9
LINSERT long BEFORE 16 i0
LPOS long 46 RANK 2 COUNT 0
LREM long 0 43
LREM long -2 39
LREM long -3 13
LINSERT long AFTER 35 i7
LRANGE long 0 -1
LTRIM long 100 -200
LRANGE long 0 -1
CONFIG SET list-max-listpack-size -1
RPUSH b 2 "" zz9
LPOP c
LRANGE a 0 -1
LMOVE a b RIGHT RIGHT
LINSERT c after "" 1
LINSERT c after "" ""
LPUSH b x ""
RPOPLPUSH b a
LPUSH b 300 ""
RPUSH a "" -5000 9999999999
LMPOP 2 a a LEFT COUNT 1
LRANGE a 0 -1
LMOVE b a RIGHT LEFT
LPOP b
LINSERT a before 2 2
LREM b 1 yy
LPOP a
LLEN b
LSET a 3 ""
RPUSH c 300 x ""
LPOS a 9999999999 RANK 1
LPOS a 1 RANK -1
LRANGE a 0 -1
LREM b 0 300
RPOP c 0
LPUSH c 1 -5000
RPUSH b 9999999999 zz9 yy
LMOVE b b LEFT RIGHT
LREM c -1 9999999999
LRANGE b 0 -1
LPOP a
LPUSH c 9999999999 9999999999
RPOP b 2
LMPOP 2 b a RIGHT COUNT 2
RPUSH a 300 -5000 ""
LSET a 6 9999999999
LRANGE c 0 -1
LMOVE a a LEFT LEFT
LLEN c
LSET c 2 2
LPUSH c "" 300
LPUSH a 2 x
LPOP b
LINSERT a before 2 -5000
LPOS b 300 RANK -1
LLEN c
LINSERT b before yy zz9
LLEN b
RPOP c 1
LPOS c x RANK -1
LSET a -3 300
LREM a -1 -5000
LLEN b
LPOP b
RPUSH c 1 -5000 9999999999
LRANGE c 0 -1
LPOS c 2 RANK -1
LRANGE c 0 -1
LINDEX b 5
LMPOP 2 b b RIGHT COUNT 2
LPOS a -5000 RANK -1
LMPOP 2 a b LEFT COUNT 1
LPOS c 1 RANK -1
LINDEX c -2
LINSERT c after 1 1
RPOP a 1
LPOS c "" RANK -1
LRANGE b 0 -1
LLEN a
LPOP b
RPOP c 2
LPUSH a 1 1
LPOS b yy RANK 1
LRANGE b 0 -1
LRANGE a 0 -1
LREM c -1 300
RPOP b 2
LINDEX b -4
LPOP a
LLEN a
RPOPLPUSH a b
RPUSH a 300 yy ""
LMPOP 2 b a LEFT COUNT 3
LINDEX c -1
LPOS c 9999999999 RANK 2
LLEN c
RPOPLPUSH b a
LPOP a
LPUSH a zz9 1
LREM a 1 300
LPUSH a 1 zz9
LMOVE a a RIGHT LEFT
LRANGE c 0 -1
LMOVE c c RIGHT LEFT
LRANGE b 0 -1
RPUSH b 1 9999999999 zz9
LPUSH b "" 9999999999
RPUSH c 9999999999 300 x
RPUSH b x 1 2
LSET c 5 yy
RPOPLPUSH a b
LMOVE c c RIGHT RIGHT
LINSERT c before 2 zz9
LPUSH a yy x
LINDEX c -3
LPOP c
LLEN b
RPOP b 1
LPOS a "" RANK 2
LLEN c
LRANGE a 0 -1
LRANGE b 0 -1
LRANGE c 0 -1
CONFIG SET list-max-listpack-size 3
LMOVE c b RIGHT LEFT
LINDEX a 0
RPOPLPUSH a c
LLEN b
LMPOP 2 a b LEFT COUNT 3
LLEN a
LPOP a
LPUSH a 2 300
LSET a 5 1
LPUSH a 300 1
RPOPLPUSH a c
LPUSH a -5000 x
LINDEX c 4
RPUSH c "" 2 x
RPOP a 0
LPUSH a 2 yy
LTRIM a 0 -1
LMPOP 2 c a RIGHT COUNT 2
LSET b -2 1
LSET b -2 1
RPOPLPUSH b b
LMPOP 2 c c RIGHT COUNT 2
LPOS c 1 RANK -1
LPUSH b zz9 2
LSET b 5 1
LRANGE c 0 -1
RPOP c 0
LPOS b 300 RANK -1
LPUSH c x yy
LMPOP 2 a a RIGHT COUNT 2
RPUSH b 300 9999999999 -5000
LINDEX c -2
LPOS a yy RANK 1
RPOPLPUSH a b
LPOP a
LMOVE a b LEFT RIGHT
LSET a 0 ""
LLEN c
RPUSH b 1 -5000 x
LINSERT b after zz9 zz9
LPOP b
LLEN c
RPOP b 0
LRANGE c 0 -1
LMPOP 2 c c LEFT COUNT 2
LPOS b zz9 RANK 1
LINDEX b 4
LRANGE c 0 -1
LSET a 1 9999999999
RPOPLPUSH b c
RPOP a 1
LTRIM c -12 -1
LRANGE a 0 -1
LINSERT b before 300 x
RPOPLPUSH b c
LRANGE b 0 -1
LPOP a
LSET a -2 2
LPOP c
RPUSH a "" 300 300
LMPOP 2 b c RIGHT COUNT 2
LINSERT a before 2 yy
RPOP b 1
LPUSH a "" ""
RPOPLPUSH a c
LMOVE b b LEFT LEFT
LINSERT c after 1 x
LLEN b
RPOPLPUSH c c
RPOPLPUSH c b
LINDEX a 4
RPOPLPUSH c c
RPOPLPUSH c a
LMOVE a c LEFT RIGHT
LREM b -1 2
LLEN b
RPOP b 2
RPOPLPUSH c a
LINSERT b after 9999999999 1
LPOS b zz9 RANK 2
LMOVE a c RIGHT LEFT
LREM b 0 1
LINSERT c before 300 x
LRANGE b 0 -1
RPUSH c 9999999999 zz9 x
RPOPLPUSH b c
LPUSH c -5000 zz9
LSET b 5 9999999999
RPOP c 0
LREM c 0 -5000
LMOVE a b RIGHT RIGHT
LREM a 0 2
LREM b -1 yy
RPUSH a yy "" zz9
RPOP b 1
RPOP a 0
LLEN a
LMPOP 2 c a RIGHT COUNT 3
LRANGE c 0 -1
RPOP a 1
LMOVE c b RIGHT RIGHT
LMPOP 2 c c LEFT COUNT 2
LSET a -2 ""
LMOVE b b LEFT RIGHT
LPUSH c yy -5000
RPOP c 1
LSET b 1 ""
LPOS c 2 RANK 2
LLEN b
LPOP b
LRANGE a 0 -1
LRANGE b 0 -1
LRANGE c 0 -1
CONFIG SET list-max-listpack-size -2
LINDEX b -6
RPUSH c -5000 300 zz9
LINDEX b 4
LPOS a 1 RANK 1
RPUSH c yy yy 2
LPOS a x RANK 1
LMPOP 2 b b LEFT COUNT 1
LLEN b
LMPOP 2 c a LEFT COUNT 3
LLEN c
LMPOP 2 c b LEFT COUNT 2
RPOPLPUSH a c
RPUSH c 9999999999 2 zz9
RPUSH b "" x 300
LTRIM b -12 -1
LTRIM b 0 11
LTRIM a 1 -1
LRANGE c 0 -1
LINDEX c -6
LPOP b
LTRIM c -12 -2
LMOVE b b RIGHT RIGHT
LREM c 0 300
LMOVE b c LEFT LEFT
LPOS a -5000 RANK 1
LRANGE b 0 -1
LTRIM a 0 -1
RPOPLPUSH b c
LPOP b
RPUSH c -5000 -5000 9999999999
LMPOP 2 c c LEFT COUNT 2
LREM b 2 yy
LRANGE a 0 -1
LINDEX b -2
LSET b 0 -5000
LRANGE b 0 -1
LINDEX c -1
RPOP c 1
LMPOP 2 a b LEFT COUNT 2
RPOPLPUSH b a
LPOS c 2 RANK 1
LREM c -2 ""
LRANGE c 0 -1
LPUSH b yy 2
LPUSH a x 9999999999
LPOS c 1 RANK 2
LLEN c
LPOS b 300 RANK 2
LMOVE c c LEFT LEFT
LPUSH c 9999999999 300
RPUSH c 300 1 ""
LMPOP 2 a c LEFT COUNT 2
LINDEX a 6
LINSERT c after yy 300
LREM a -1 1
LREM c -2 1
LTRIM c -12 -1
LINDEX a 6
LMPOP 2 b c RIGHT COUNT 2
RPUSH a "" 300 9999999999
LMPOP 2 b c LEFT COUNT 1
LMOVE b a LEFT LEFT
LREM a 0 2
LINDEX a -3
LINDEX a -4
LTRIM a 1 11
LPOS a 9999999999 RANK 2
RPOPLPUSH a a
LSET c 5 300
RPOPLPUSH a b
LMOVE c c RIGHT RIGHT
LMOVE b a LEFT LEFT
LPUSH a 2 ""
LINSERT b before 9999999999 1
LSET b 3 9999999999
LTRIM c 0 -1
LMPOP 2 a b LEFT COUNT 3
LMPOP 2 b b RIGHT COUNT 2
LINSERT c after yy yy
LPUSH c -5000 1
LINDEX a 3
LINDEX b 3
LREM a 2 ""
LMOVE b c LEFT RIGHT
LINSERT c before -5000 yy
LINSERT b before 1 yy
LINDEX a 6
LLEN c
LPOP b
LINDEX c 4
LMPOP 2 b b LEFT COUNT 3
LRANGE b 0 -1
LMPOP 2 b a LEFT COUNT 2
LPOS a "" RANK -1
RPOPLPUSH a b
LPOS a "" RANK -1
LRANGE a 0 -1
LRANGE b 0 -1
LMPOP 2 a a RIGHT COUNT 3
LRANGE b 0 -1
LLEN c
LSET b 2 x
RPOP a 0
RPUSH a yy -5000 -5000
LREM c 1 x
LPUSH b -5000 2
LSET c 1 2
LPOP b
LPOS a -5000 RANK -1
LRANGE c 0 -1
LRANGE a 0 -1
LRANGE b 0 -1
LRANGE c 0 -1
