// node fetch.js URL
const https = require('https');
https.get(process.argv[2], {agent: false}, (answer) => {
  answer.resume();
  console.log(answer.statusCode === 200 ? 'served' : `status ${answer.statusCode}`);
}).on('error', (error) => {
  // What OpenSSL's verification and Node's own name check call their refusals.
  const refused = /^ERR_TLS_CERT|CERT|SIGNATURE|ISSUER|^PATH_LENGTH|^INVALID_(CA|PURPOSE)|VIOLATION/;
  console.log(refused.test(error.code || '') || /verif|violation|subtree/i.test(error.message)
    ? 'refused' : 'failed', error.code, error.message);
  process.exitCode = 3;
});
