# Every command on a stream's entries, option and error; nodes that fill, empty and are trimmed; then random ones.
SET str x
XADD
XADD s
XADD s 1-1
XADD s 1-1 a
XADD s 1-1 a 1
XADD s 1-1 a 1
XADD s 1-0 a 1
XADD s 0-0 a 1
XADD new 0-0 a 1
XADD new 0 a 1
EXISTS new
XADD s 1-* a 2
XADD s 1-* b 2 c 3
XADD s 0-* b 2
XADD s 5 a x
XADD s 5-* a y
XADD s 5 a x
XADD s 6-1 a 1 b
XADD s 6-1 a
XADD s abc a 1
XADD s 7-abc a 1
XADD s - a 1
XADD s + a 1
XADD s 7- a 1
XADD s -7 a 1
XADD s 7-1-1 a 1
XADD s "" a 1
XADD s 18446744073709551616 a 1
XADD s 07-01 a 1
XADD s " 8-2" a 1
XADD s +9-3 a 1
XADD s 10--5 a 1
XADD str 1-1 a 1
XADD str abc a 1
XADD none NOMKSTREAM 1-1 a 1
XADD none nomkstream * a 1
XADD s NOMKSTREAM 20-1 a 1
XADD s NOMKSTREAM
XADD s MAXLEN 3 21-1 a 1
XLEN s
XRANGE s - +
XADD s MAXLEN = 2 22-1 a 1
XADD s MAXLEN ~ 2 23-1 a 1
XADD s MINID 22 24-1 a 1
XADD s MINID = 23-0 25-1 a 1
XADD s MINID ~ 25 26-1 a 1
XADD s MINID abc 27-1 a 1
XADD s MAXLEN abc 27-1 a 1
XADD s MAXLEN -1 27-1 a 1
XADD s MAXLEN 1 MINID 1 27-1 a 1
XADD s MINID 1 MAXLEN 1 27-1 a 1
XADD s MAXLEN 1 LIMIT 5 27-1 a 1
XADD s MAXLEN = 1 LIMIT 5 27-1 a 1
XADD s MAXLEN ~ 1 LIMIT 5 27-1 a 1
XADD s LIMIT 5 28-1 a 1
XADD s LIMIT 0 28-1 a 1
XADD s MAXLEN ~ 1 LIMIT -1 29-1 a 1
XADD s MAXLEN ~ 1 LIMIT x 29-1 a 1
XADD s LIMIT 5 MAXLEN ~ 1 29-1 a 1
XADD s MAXLEN ~ 29-1 a 1
XADD s MAXLEN ~
XADD s MAXLEN 1
XRANGE s - +
TYPE s
OBJECT ENCODING s
XLEN none
XLEN str
XLEN s s
XRANGE s 23 25
XRANGE s 23-1 25-0
XRANGE s (23-1 +
XRANGE s (23 +
XRANGE s - (25-1
XRANGE s (- +
XRANGE s ( +
XRANGE s + -
XRANGE s 100 200
XRANGE s - + COUNT 2
XRANGE s - + COUNT 0
XRANGE s - + COUNT -1
XRANGE s - + COUNT x
XRANGE s - + COUNT
XRANGE s - + BAD 1
XRANGE s - + COUNT 1 COUNT 2
XRANGE s abc +
XRANGE s - abc
XRANGE s (18446744073709551615-18446744073709551615 +
XRANGE s - (0-0
XRANGE s 1
XRANGE none - +
XRANGE none - + COUNT 0
XRANGE none abc +
XRANGE str - +
XRANGE str abc +
XREVRANGE s + -
XREVRANGE s + - COUNT 1
XREVRANGE s 25 23
XREVRANGE s (25-1 (23-0
XREVRANGE s - +
XREVRANGE s + - COUNT 0
XREVRANGE s abc -
XREVRANGE s + abc
XREVRANGE s (0-0 -
XREVRANGE s + (18446744073709551615-18446744073709551615
XREVRANGE none + -
XREVRANGE str + -
XDEL s 24-1
XDEL s 24-1
XDEL s 25-1 26-1 99-99 25-1
XDEL s abc
XDEL s 22-1 abc
XDEL none abc
XDEL none 1-1
XDEL str 1-1
XDEL str abc
XDEL s
XLEN s
XRANGE s - +
XADD d 1-1 a 1
XDEL d 1-1
EXISTS d
XLEN d
XRANGE d - +
XADD d 1-1 a 1
XADD d 1-2 a 1
XTRIM d MAXLEN 0
XADD d 1-2 a 1
~ XADD d * a 1
DEL d
XTRIM s
XTRIM s MAXLEN
XTRIM s MAXLEN abc
XTRIM s MAXLEN -1
XTRIM s MAXLEN 1 2
XTRIM s BAD 1
XTRIM s LIMIT 5
XTRIM s LIMIT 0
XTRIM s MAXLEN 1 LIMIT 5
XTRIM s MAXLEN ~ 0 LIMIT 0
XTRIM s MAXLEN 1 MINID 2
XTRIM none MAXLEN 1
XTRIM none BAD
XTRIM str MAXLEN 1
XTRIM str MAXLEN x
XTRIM s MINID x
XTRIM s MINID 0
XTRIM s NOMKSTREAM MAXLEN 1
XTRIM s MAXLEN = 1
XSETID
XSETID s
XSETID s 1000-5
XADD s 1000-5 a 1
XADD s 1000-* a 1
XSETID s 1-1
XSETID s abc
XSETID s 2000 ENTRIESADDED 100
XSETID s 2000 ENTRIESADDED 0
XSETID s 2000 ENTRIESADDED -1
XSETID s 2000 ENTRIESADDED x
XSETID s 2000 ENTRIESADDED
XSETID s 2000 MAXDELETEDID 1-1
XSETID s 2000 MAXDELETEDID 3000
XSETID s 2000 MAXDELETEDID x
XSETID s 2000 ENTRIESADDED 100 MAXDELETEDID 0-0
XSETID s 2000 BAD 1
XSETID none 1-1
XSETID none x
XSETID str 1-1
XSETID str x
XADD last 18446744073709551615-18446744073709551614 a 1
XADD last * a 1
XADD last * a 1
XADD last 18446744073709551615-* a 1
XADD last 18446744073709551615-18446744073709551615 a 1
XADD last abc a 1
XRANGE last - +
DEL last
XADD last 5-18446744073709551615 a 1
XADD last 6-* a 1
XRANGE last - +
XADD f 1-1 a 1 b 2
XADD f 1-2 a 3 b 4
XADD f 1-3 b 3 a 4
XADD f 1-4 a 3
XADD f 1-5 a 3 b 4 c 5
XADD f 1-6 a 300000 b -4
XADD f 1-7 a "" "" 01
XADD f 1-8 A 3 B 4
XRANGE f - +
XREVRANGE f + -
XDEL f 1-1 1-4
XRANGE f - +
RENAME f g
XLEN g
COPY g h
XADD h 2-1 a 1
XLEN g
XLEN h
GET g
SET g x
GET g
MULTI
XADD t 1-1 a 1
XADD t 1-1 a 1
XLEN t
EXEC
~ HELLO 3
XADD three 1-1 a 1 b 2
XRANGE three - +
XRANGE three - + COUNT 0
XRANGE none - +
XADD none NOMKSTREAM 1-1 a 1
~ HELLO 2
XDEL h 1-2 1-3 1-5 1-6 1-7 1-8
XSETID h 1-2
XADD h 1-3 a 1
DEL q
XADD q 5-1 a 1
XADD q 6-1 a 1
XADD q 7-1 a 1
XADD q 8-1 a 1
XADD q 9-1 a 1
XDEL q 9-1
XSETID q 8-1
XADD q 8-7 a 1
XADD q 9-1 a 1
XRANGE q - +
XTRIM q MINID 9-2
XLEN q
XSETID q 2-1
XADD q 2-5 a 1
XRANGE q - +
XREVRANGE q + -
XRANGE q 2 3
XDEL q 2-5
XLEN q
CONFIG SET stream-node-max-entries 10
XADD long 1-2 a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
XADD long 2-1 a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
XADD long 4-2 a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
XADD long 5-2 a 1
XADD long 7-1 a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
XADD long 8-0 b 5
XADD long 11-2 b 6
XADD long 13-2 a 2
XADD long 14-2 a 2
XADD long 17-1 a 1
XADD long 20-0 a 2
XADD long 23-0 a 1 b 2
XADD long 24-1 b 12
XADD long 27-2 b 13
XADD long 30-1 b 14
XADD long 33-2 b 15
XADD long 34-1 a 1
XADD long 35-0 b 17
XADD long 36-1 b 18
XADD long 39-1 b 19
XADD long 42-1 a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
XADD long 44-2 a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
XADD long 46-2 a 2
XADD long 48-2 a 1
XADD long 50-2 a 2
XADD long 53-1 a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
XADD long 56-2 a 1
XADD long 59-2 a 2
XADD long 62-2 a 1 b 2
XADD long 64-0 a 1
XADD long 66-2 b 30
XADD long 67-1 a 1
XADD long 69-0 a 1
XADD long 71-1 b 33
XADD long 72-0 a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
XADD long 75-0 b 35
XADD long 78-2 a 1 b 2
XADD long 81-1 a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
XADD long 82-0 a 1 b 2
XADD long 83-0 a 1
XADD long 86-2 a 1
XADD long 87-1 a 1 b 2
XADD long 90-1 a 2
XADD long 93-0 a 1 b 2
XADD long 95-1 a 2
XADD long 97-1 b 45
XADD long 100-1 a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
XADD long 103-2 a 1
XADD long 106-2 a 1 b 2
XADD long 108-2 a 2
XADD long 110-1 a 1 b 2
XADD long 113-1 a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
XADD long 115-0 b 52
XADD long 118-1 a 1
XADD long 120-2 a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
XADD long 123-0 a 1
XADD long 126-2 a 1 b 2
XADD long 128-1 a 1 b 2
XADD long 131-2 a 1 b 2
XADD long 134-1 a 1
XADD long 137-0 a 1
XADD long 139-1 b 61
XADD long 141-2 a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
XADD long 143-0 a 1 b 2
XADD long 144-1 a 1 b 2
XADD long 147-1 a 1 b 2
XADD long 149-0 a 1
XADD long 152-2 a 2
XADD long 154-2 a 2
XADD long 157-1 a 2
XADD long 159-0 b 70
XADD long 162-2 a 1
XADD long 163-2 a 1 b 2
XADD long 165-2 a 2
XADD long 167-0 a 1
XADD long 169-2 a 2
XADD long 172-1 a 1 b 2
XADD long 173-0 a 1
XADD long 176-0 a 1 b 2
XADD long 179-0 a 1 b 2
XADD long 181-2 a 1
XADD long 184-1 a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
XADD long 185-1 a 1 b 2
XADD long 188-1 b 83
XADD long 190-2 b 84
XADD long 192-1 a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
XADD long 194-0 b 86
XADD long 195-0 a 1
XADD long 197-2 a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
XADD long 199-2 a 2
XADD long 200-2 b 90
XADD long 203-2 a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
XADD long 205-2 a 1 b 2
XADD long 206-0 a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
XADD long 208-0 a 2
XADD long 209-0 a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
XADD long 210-1 a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
XADD long 211-0 b 97
XADD long 214-0 a 2
XADD long 217-1 a 2
XADD long 220-0 a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
XADD long 223-1 a 1
XADD long 226-0 a 1 b 2
XADD long 227-1 a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
XADD long 229-0 a 1 b 2
XADD long 230-0 a 1
XADD long 233-0 a 2
XADD long 234-1 a 2
XADD long 235-1 a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
XADD long 237-0 a 1 b 2
XADD long 238-1 a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
XADD long 241-2 b 111
XADD long 242-1 a 1 b 2
XADD long 243-0 a 2
XADD long 244-0 a 1
XADD long 245-1 a 1
XADD long 248-0 a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
XADD long 251-1 a 1 b 2
XADD long 252-1 a 1
XADD long 254-1 b 119
XADD long 257-1 a 1 b 2
XADD long 259-0 a 1 b 2
XADD long 261-0 a 2
XADD long 264-0 b 123
XADD long 265-2 a 2
XADD long 266-1 b 125
XADD long 269-2 a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
XADD long 271-2 a 1
XADD long 274-1 a 1
XADD long 276-2 b 129
XTRIM long MAXLEN ~ 100
XLEN long
XTRIM long MAXLEN ~ 95
XLEN long
XTRIM long MAXLEN ~ 30 LIMIT 15
XLEN long
XTRIM long MAXLEN = 77
XLEN long
XRANGE long - + COUNT 3
XTRIM long MINID ~ 216
XLEN long
XTRIM long MINID 226
XLEN long
XRANGE long - +
XREVRANGE long + - COUNT 5
CONFIG SET stream-node-max-bytes 300
CONFIG SET stream-node-max-entries 0
XADD long MAXLEN ~ 40 277 a yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
XADD long MAXLEN ~ 40 278 a yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
XADD long MAXLEN ~ 40 279 a yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
XADD long MAXLEN ~ 40 280 a yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
XADD long MAXLEN ~ 40 281 a yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
XADD long MAXLEN ~ 40 282 a yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
XADD long MAXLEN ~ 40 283 a yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
XADD long MAXLEN ~ 40 284 a yy
XADD long MAXLEN ~ 40 285 a yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
XADD long MAXLEN ~ 40 286 a yyyyyyyyyyyyyyyyyyyyyyyyyyy
XADD long MAXLEN ~ 40 287 a yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
XADD long MAXLEN ~ 40 288 a yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
XADD long MAXLEN ~ 40 289 a yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
XADD long MAXLEN ~ 40 290 a yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
XADD long MAXLEN ~ 40 291 a yyyyyyyyy
XADD long MAXLEN ~ 40 292 a yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
XADD long MAXLEN ~ 40 293 a yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
XADD long MAXLEN ~ 40 294 a yyyyyyyyyyyyyyyyyyyyyyyyyyyy
XADD long MAXLEN ~ 40 295 a yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
XADD long MAXLEN ~ 40 296 a yyyyyyyyyyyyyyyy
XADD long MAXLEN ~ 40 297 a yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
XADD long MAXLEN ~ 40 298 a yyy
XADD long MAXLEN ~ 40 299 a yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
XADD long MAXLEN ~ 40 300 a yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
XADD long MAXLEN ~ 40 301 a yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
XADD long MAXLEN ~ 40 302 a yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
XADD long MAXLEN ~ 40 303 a yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
XADD long MAXLEN ~ 40 304 a yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
XADD long MAXLEN ~ 40 305 a yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
XADD long MAXLEN ~ 40 306 a yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
XADD long MAXLEN ~ 40 307 a yyyyyyyyyyyyyyy
XADD long MAXLEN ~ 40 308 a yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
XADD long MAXLEN ~ 40 309 a yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
XADD long MAXLEN ~ 40 310 a yyyyyyyyyyyyyyy
XADD long MAXLEN ~ 40 311 a yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
XADD long MAXLEN ~ 40 312 a yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
XADD long MAXLEN ~ 40 313 a yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
XADD long MAXLEN ~ 40 314 a yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
XADD long MAXLEN ~ 40 315 a yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
XADD long MAXLEN ~ 40 316 a yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
XLEN long
XRANGE long - +
CONFIG SET stream-node-max-bytes 4096
CONFIG SET stream-node-max-entries 5
XADD b 1-* f 1 f 2
XADD a 1-* f 1
XADD b MAXLEN 14 1-* f 1
XREVRANGE a + (1-1 COUNT 3
XADD b MAXLEN ~ 12 1-* f 1
XLEN a
XRANGE b - +
XADD a MAXLEN ~ 12 1-* f 1 f 2
XDEL b 1-2 1-1
XLEN b
XADD b MAXLEN ~ 12 2-2 f 2 g 3
XRANGE b - +
XADD b MAXLEN ~ 12 3-* f 1
XREVRANGE b + (3-1 COUNT 3
XADD a MAXLEN ~ 12 2-* g x
XLEN a
XRANGE b 2 1-1
XADD b MINID ~ -4 4-2 f 2 g 3
XRANGE a - +
XADD b MINID ~ -3 5-* f 1 f 2
XRANGE b - +
XREVRANGE a + (2-1 COUNT 3
XREVRANGE a + (2-1 COUNT 3
XRANGE a 2 0-1
XADD b 5-* g x
XADD a MAXLEN ~ 12 3-* f 1
XADD b MAXLEN 14 5-* f 1 f 2
XADD a 3-1 g x
XTRIM a MAXLEN 7
XTRIM a MAXLEN ~ 1 LIMIT 5
XADD a MINID ~ -4 4-* g x
XDEL a 0-2 3-1
XREVRANGE a + (4-1 COUNT 3
XADD b MAXLEN 14 6-2 g x
XADD b 7-2 g x
XDEL a 4-2 1-1
XADD a MINID ~ -3 5-* f 1
XTRIM a MINID 0-1
XREVRANGE a + (3-1 COUNT 3
XADD b 7-* f 1 f 2
XADD b MAXLEN 14 8-2 f 1
XADD a MAXLEN 14 6-* g x
XRANGE b 7 8-1
XTRIM a MAXLEN ~ 13
XRANGE b - +
XADD a MAXLEN ~ 12 6-* f 1 f 2
XADD b MINID ~ 0 8-* f 2 g 3
XADD a MAXLEN 14 7-1 f 1
XRANGE b 6 5-1
XREVRANGE b + (8-1 COUNT 3
XREVRANGE b + (0-1 COUNT 3
XADD a MAXLEN ~ 12 7-2 f 2 g 3
XADD b MAXLEN ~ 12 8-* f 1 f 2
XRANGE a - +
XADD b MINID ~ 0 8-* f 1
XTRIM a MAXLEN 9
XLEN b
XTRIM a MAXLEN ~ 5
XRANGE a - +
XADD a MAXLEN ~ 12 8-* f 2 g 3
XADD b MAXLEN 14 9-* f 1
XADD b MAXLEN ~ 12 9-2 f 1 f 2
XADD b MAXLEN ~ 12 10-2 g x
XREVRANGE a + (7-1 COUNT 3
XREVRANGE b + (2-1 COUNT 3
XADD b MAXLEN 14 11-1 f 1 f 2
XRANGE b - +
XADD b MAXLEN ~ 12 11-1 g x
XREVRANGE a + (8-1 COUNT 3
XADD a 8-* f 1 f 2
XADD a 8-* f 1 f 2
XADD b 11-2 f 1 f 2
XRANGE b 0 11-1
XADD a 9-2 f 1 f 2
XADD a 9-2 f 1 f 2
XADD a 10-1 f 1
XDEL a 4-1 4-1
XADD b 12-1 g x
XADD b MINID ~ 4 12-* f 1
XADD a 10-* f 1
XADD b MAXLEN 14 12-* f 1 f 2
XREVRANGE b + (5-1 COUNT 3
XRANGE a 4 9-1
XADD b MAXLEN ~ 12 13-2 f 1
XLEN b
XLEN b
XADD b MAXLEN 14 14-* g x
XREVRANGE b + (3-1 COUNT 3
XREVRANGE b + (5-1 COUNT 3
XADD b MINID ~ 7 15-* f 2 g 3
XADD a 11-* g x
XRANGE a - +
XRANGE a - +
XREVRANGE a + (7-1 COUNT 3
XTRIM b MAXLEN ~ 1 LIMIT 5
XTRIM a MAXLEN ~ 1 LIMIT 5
XADD a 11-* f 2 g 3
XADD a MAXLEN 14 11-* f 2 g 3
XLEN b
XLEN b
XREVRANGE a + (2-1 COUNT 3
XADD a 11-* f 2 g 3
XADD b MINID ~ 7 15-2 f 2 g 3
XREVRANGE a + (10-1 COUNT 3
XRANGE b 14 3-1
XRANGE b - +
XRANGE b 6 3-1
XREVRANGE a + (4-1 COUNT 3
XTRIM a MAXLEN 5
XRANGE b 2 16-1
XADD a 12-1 f 2 g 3
XREVRANGE b + (2-1 COUNT 3
XADD b MAXLEN ~ 12 16-* f 2 g 3
XLEN b
XTRIM b MAXLEN ~ 1 LIMIT 5
XREVRANGE b + (1-1 COUNT 3
XADD b 16-* f 2 g 3
XLEN b
XREVRANGE a + (0-1 COUNT 3
XADD a MINID ~ 5 13-2 f 1
XREVRANGE b + (6-1 COUNT 3
XADD b MINID ~ 8 16-1 f 1 f 2
XADD b MAXLEN ~ 12 16-2 g x
XTRIM b MAXLEN ~ 1 LIMIT 5
XLEN b
XTRIM a MAXLEN 13
XTRIM b MAXLEN ~ 5
XADD a MAXLEN ~ 12 13-* f 2 g 3
XADD a MINID ~ 5 13-1 g x
XREVRANGE a + (2-1 COUNT 3
XADD a MINID ~ 6 14-1 f 1
XREVRANGE a + (4-1 COUNT 3
XADD b MINID ~ 9 17-1 g x
XADD a 15-* f 2 g 3
XRANGE a 10 4-1
XADD b 17-* f 1 f 2
XREVRANGE a + (14-1 COUNT 3
XTRIM b MINID 15-1
XADD a 15-2 g x
XREVRANGE b + (8-1 COUNT 3
XREVRANGE b + (9-1 COUNT 3
XRANGE a - +
XADD b MINID ~ 9 17-2 f 2 g 3
XRANGE b - +
XADD b 18-2 f 2 g 3
XDEL b 3-1 2-1
XADD b MINID ~ 11 19-* g x
XADD b MINID ~ 12 20-1 f 1
XADD b MAXLEN 14 20-1 f 1 f 2
XADD b MINID ~ 12 20-1 f 1 f 2
XREVRANGE a + (7-1 COUNT 3
XADD a 15-* g x
XRANGE a 8 15-1
XDEL b 9-2 17-1
XADD a MINID ~ 7 15-* f 2 g 3
XADD a MINID ~ 8 16-* f 2 g 3
XADD b MAXLEN ~ 12 20-1 f 2 g 3
XADD a MAXLEN ~ 12 16-* f 1 f 2
XRANGE a 12 5-1
XDEL a 3-0 3-1
XDEL a 4-1 11-1
XADD a MAXLEN 14 16-* f 1 f 2
XADD a MINID ~ 9 17-* g x
XADD b MINID ~ 13 21-2 f 1 f 2
XREVRANGE b + (4-1 COUNT 3
XRANGE b 6 19-1
XADD b MAXLEN ~ 12 22-1 g x
XADD a 17-2 f 2 g 3
XRANGE a - +
XADD a MINID ~ 9 17-1 g x
XREVRANGE a + (17-1 COUNT 3
XTRIM b MINID 19-1
XLEN b
XTRIM b MINID 17-1
XDEL b 8-0 3-1
XTRIM a MINID 14-1
XDEL b 14-0 15-1
XLEN b
XRANGE a - +
XRANGE b - +
XADD a MINID ~ 10 18-1 f 1
XRANGE a 12 6-1
XTRIM a MAXLEN ~ 1 LIMIT 5
XRANGE a 12 17-1
XADD b MAXLEN 14 23-1 f 1 f 2
XTRIM b MAXLEN ~ 1 LIMIT 5
XTRIM a MAXLEN 3
XADD a MAXLEN ~ 12 18-1 f 1 f 2
XADD b 23-1 f 1 f 2
XADD b MAXLEN 14 24-* f 1 f 2
XREVRANGE a + (4-1 COUNT 3
XDEL b 17-0 3-1
XRANGE a - +
XRANGE a 0 11-1
XADD b MAXLEN ~ 12 25-2 g x
XRANGE a 6 16-1
XRANGE b - +
XRANGE b 9 3-1
XADD a MAXLEN 14 19-* f 1
XREVRANGE b + (13-1 COUNT 3
XTRIM a MINID 16-1
XRANGE a 2 1-1
XLEN a
XRANGE a - +
XADD a MINID ~ 11 19-2 g x
XREVRANGE b + (21-1 COUNT 3
XADD a MAXLEN 14 20-* g x
XTRIM b MAXLEN ~ 13
XADD b MAXLEN 14 26-* f 1 f 2
XADD a MINID ~ 12 20-* f 1 f 2
XTRIM a MINID 20-1
XADD b 27-* f 1 f 2
XRANGE b 7 5-1
XDEL b 11-1 1-1
XADD b MAXLEN ~ 12 27-1 f 1 f 2
XRANGE a - +
XADD a MAXLEN ~ 12 21-* g x
XADD a MINID ~ 14 22-* g x
XTRIM b MAXLEN ~ 1 LIMIT 5
XADD b MAXLEN 14 27-2 f 1 f 2
XRANGE a 16 15-1
XRANGE b 19 15-1
XADD a MAXLEN 14 23-* g x
XTRIM a MAXLEN ~ 1 LIMIT 5
XREVRANGE a + (11-1 COUNT 3
XADD b MAXLEN ~ 12 28-* g x
XLEN b
XRANGE b 26 29-1
XADD b MAXLEN 14 29-2 f 1 f 2
XRANGE b - +
XADD a MAXLEN ~ 12 24-2 f 1
XLEN b
XTRIM a MAXLEN ~ 11
XREVRANGE b + (6-1 COUNT 3
XLEN b
XADD b MINID ~ 21 29-* f 2 g 3
XADD a 24-2 g x
XDEL b 2-1 8-1
XADD b 30-* f 1
XTRIM b MINID 26-1
XDEL a 18-2 6-1
XADD a MAXLEN 14 25-1 f 1
XADD a MAXLEN ~ 12 25-2 g x
XTRIM a MAXLEN ~ 12
XREVRANGE a + (8-1 COUNT 3
XTRIM a MAXLEN ~ 1 LIMIT 5
XRANGE b 8 18-1
XRANGE b - +
XADD b 30-* f 1 f 2
XADD a MAXLEN ~ 12 25-1 g x
XLEN a
XADD b MAXLEN ~ 12 30-* f 1
XRANGE b 23 18-1
XADD a MAXLEN ~ 12 26-1 f 2 g 3
XRANGE a - +
XADD a 26-* f 1 f 2
XLEN b
XDEL b 5-2 26-1
XADD a MINID ~ 19 27-* f 1
XTRIM a MINID 22-1
