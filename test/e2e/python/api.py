"""Sends one mail over the HTTP API with nothing but Python's own library, as described
by a JSON object on standard input: {url, key, from, to, subject, text, html, filename,
content}. Prints the answer's body."""
import json
import sys
import urllib.request

job = json.load(sys.stdin)
body = {
    "from": job["from"], "to": [job["to"]], "subject": job["subject"], "text": job["text"], "html": job["html"],
    "attachments": [{"filename": job["filename"], "content_type": "application/pdf", "content": job["content"]}],
}
request = urllib.request.Request(job["url"] + "/v1/messages", data=json.dumps(body).encode(), method="POST")
request.add_header("Authorization", "Bearer " + job["key"])
request.add_header("Content-Type", "application/json")
with urllib.request.urlopen(request, timeout=30) as response:
    assert response.status == 202, response.status
    print(response.read().decode())
