// fetch.js URL: with the roots of its own and those of NODE_EXTRA_CA_CERTS.
"use strict";
const https = require("https");
const request = https.get(process.argv[2], (answer) => {
  console.log(answer.statusCode);
  answer.resume();
});
request.on("error", (error) => {
  console.log(error.message, error.code);
  process.exitCode = 1;
});
