# DUMP and RESTORE: errors, and what comes of payloads that redis-server made.
DUMP
DUMP none
DUMP none x
RESTORE
RESTORE a 0
RESTORE a 0 x
RESTORE a x x
RESTORE a -1 x
RESTORE a 0 "\x00\xc0{\n\x00\xdf\x8f\xc4\xb4\x93\x1c\x02\xf2"
SET num 123
DUMP num
SET s foobar
DUMP s
RESTORE s2 0 "\x00\xc0{\n\x00*\xff\xb8\xb1\xa3\xdb\x89\xf0"
RESTORE a 0 "\x00\xc0{\n\x00\xdf\x8f\xc4\xb4\x93\x1c\x02\xf2" REPLACE nonsense
RESTORE a 0 x IDLETIME
RESTORE a 0 x IDLETIME -1
RESTORE a 0 x IDLETIME x
RESTORE a 0 x FREQ 256
RESTORE a 0 x FREQ -1
RESTORE a 0 x FREQ 5 IDLETIME 3
RESTORE a 0 x IDLETIME 3 FREQ 5
RESTORE num 0 x
RESTORE num 0 x REPLACE
RESTORE num x x REPLACE
GET num
