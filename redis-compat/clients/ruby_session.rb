# A session of ruby-redis in cluster mode, and writes that go on while somebody ends the leader. test_ruby_redis starts it:
#
#     ruby_session.rb session PORT...          prints ok and not ok lines
#     ruby_session.rb write SECONDS PATIENT PORT...   writes w:0, w:1, ...; prints "COUNT ERRORS MS LAST-ERROR", MS from
#                                                    the first error to the last
#
# PATIENT yes: the client keeps trying an address that refuses it for a while (reconnect_attempts), as one does when nodes are
# restarted by a supervisor. A write that raises is repeated: setting the same value twice does no harm.
require "redis"

Redis.silence_deprecations = true if Redis.respond_to?(:silence_deprecations=)
$stdout.sync = true

def connect(ports, **more)
  Redis.new(cluster: ports.map { |port| "redis://127.0.0.1:#{port}" }, timeout: 5, **more)
end

def now_ms
  Process.clock_gettime(Process::CLOCK_MONOTONIC) * 1000
end

def check(name, passed, why = nil)
  puts passed ? "ok ruby: #{name}" : "not ok ruby: #{name}: #{why.inspect}"
end

def equal(name, got, expected)
  check(name, got == expected, got)
end

def session(ports)
  redis = connect(ports)
  equal("set get", [redis.set("city", "Ulm"), redis.get("city")], %w[OK Ulm])
  equal("set nx", redis.set("city", "x", nx: true), false)
  equal("keys of many slots", (0...200).map { |i| redis.set("slot:#{i}", i); redis.get("slot:#{i}") }, (0...200).map(&:to_s))
  equal("mset, mget across slots", [redis.mset("a", 1, "b", 2), redis.mget("a", "b")], ["OK", %w[1 2]])
  redis.del("n")
  equal("incr, pipelined", redis.pipelined { |pipe| pipe.incr("n"); pipe.incr("n") }, [1, 2])
  equal("multi", redis.multi { |t| t.set("n", 5); t.incr("n") }, ["OK", 6])
  equal("expire, ttl", [redis.expire("n", 100), redis.ttl("n").between?(99, 100)], [true, true])
  equal("scan_each", redis.scan_each(match: "slot:*").to_a.uniq.size, 200)
  equal("a follower's reads", connect(ports, replica: true).get("city"), "Ulm")
end

def write(seconds, patient, ports)
  redis = connect(ports, **(patient ? { reconnect_attempts: 50, reconnect_delay: 0.1, reconnect_delay_max: 0.1 } : {}))
  count = errors = 0
  last = "-"
  first_ms = last_ms = 0
  stop_ms = now_ms + seconds * 1000
  while now_ms < stop_ms
    begin
      redis.set("w:#{count}", count)
      count += 1
    rescue Redis::BaseError, SystemCallError => e # the client hands on what connect says of a server that is just killed
      errors += 1
      last_ms = now_ms
      first_ms = last_ms if errors == 1
      last = "#{e.class}: #{e.message}"
    end
  end
  puts "#{count} #{errors} #{(last_ms - first_ms).round} #{last}"
end

case ARGV[0]
when "session" then session(ARGV.drop(1))
when "write" then write(Float(ARGV[1]), ARGV[2] == "yes", ARGV.drop(3))
else abort "usage: see the head of this file"
end
