# What a client can get wrong on the wire, and what does not depend on any command.
PING
PING "two words"
PING a b
ECHO hello
ECHO
NOSUCHCOMMAND
NOSUCHCOMMAND with "some arguments" and \x00
GET
GET a b
! PING\r\n
! SET inline 'quoted value'\r\n
! GET inline\r\n
! \r\nPING\r\n
! @2 PING "unbalanced\r\n
! @3 *abc\r\n
! @4 *1\r\n+PING\r\n
! @5 *1\r\n$abc\r\n
! @6 *1\r\n$-5\r\n
! @7 *-1\r\nPING\r\n
! @8 *0\r\nPING\r\n
! @9 *2147483648\r\n
! @10 *1\r\n$536870913\r\n
! @11 *99999999999999999999\r\n
# After a protocol error the connection is closed.
@3 PING
@5 PING
@10 PING
# RESP3
@12 HELLO 4
@12 HELLO x
@12 HELLO 3 SETNAME
@12 HELLO 3 AUTH default
@12 CLIENT SETNAME "a b"
@12 CLIENT SETNAME name
@12 CLIENT GETNAME
@12 CLIENT NOSUCH
@12 CLIENT
@12 RESET
@12 CLIENT GETNAME
# Databases
SELECT 1
SELECT 16
SELECT -1
SELECT x
SELECT 0
# Authentication without a password
AUTH x
AUTH default x
AUTH a b c
# Leaving
@13 QUIT
@13 PING
