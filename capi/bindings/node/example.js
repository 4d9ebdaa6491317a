'use strict';
// node example.js HOST PORT: fetches https://HOST:PORT/ and says how the peer was judged.

const https = require('node:https');
const trust = require('./index.js');

const [host, port] = process.argv.slice(2);
if (port === undefined) {
  console.error('usage: example.js HOST PORT');
  process.exit(2);
}

const agent = new trust.Agent({ keepAlive: true });
https.get({ host, port, path: '/', agent }, (answer) => {
  answer.pipe(process.stdout);
  answer.on('end', () => agent.destroy());
}).on('error', (error) => {
  console.error(error.untrusted ? `${error.code}: ${error.message}` : error.message);
  process.exitCode = error.untrusted ? 3 : 1;
});
