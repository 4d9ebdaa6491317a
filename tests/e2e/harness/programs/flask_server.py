"""flask_server.py CERTIFICATE KEY HOST: receives a posted file and says what it got."""

import hashlib
import sys

from flask import Flask, jsonify, request

app = Flask(__name__)


@app.post("/upload")
def upload():
    file = request.files["file"]
    data = file.read()
    return jsonify(name=file.filename, size=len(data), sha256=hashlib.sha256(data).hexdigest())


app.run(host=sys.argv[3], port=0, ssl_context=(sys.argv[1], sys.argv[2]))
