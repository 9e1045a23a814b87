// Idempotent writes of ioredis 5's Cluster while somebody ends the leader. by_hand_ioredis starts it:
//
//     node ioredis_session.js SECONDS PORT...      prints "COUNT ERRORS LAST-ERROR"
const Redis = require("ioredis");

const [seconds, ...ports] = process.argv.slice(2).map(Number);
const cluster = new Redis.Cluster(ports.map((port) => ({ host: "127.0.0.1", port })));
cluster.on("error", () => {}); // of the connections; what a caller is shown are the rejected promises below

async function main() {
  const stop = Date.now() + seconds * 1000;
  let count = 0, errors = 0, last = "-";
  while (Date.now() < stop) {
    try {
      await cluster.set("w:" + count, count);
      count++;
    } catch (error) {
      errors++;
      last = error.message;
    }
  }
  console.log(count, errors, last);
  cluster.disconnect();
}
main();
