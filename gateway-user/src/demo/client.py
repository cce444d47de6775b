# An ordinary streaming client: posts a request and prints the lines of the answer as they arrive.
import sys
import urllib.error
import urllib.request

url, body, *headers = sys.argv[1:]
request = urllib.request.Request(url, body.encode(), dict(header.split(": ", 1) for header in headers))
try:
    for line in urllib.request.urlopen(request, timeout=30):
        print(line.decode().rstrip(), flush=True)
except urllib.error.HTTPError as error:
    print(error.read().decode(), flush=True)
