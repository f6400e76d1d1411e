# Shared by `up`, `down` and `api`.
# shellcheck shell=bash disable=SC2034 # used by those who source it
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
STATE=${S3_STATE:-$CACHE/state/s3}
RUN=$STATE/run LOG=$STATE/log

S3_PORT=7480
S3_MEMORY=1073741824                            # bytes, for all objects
S3_ENDPOINT=http://$NODE_IP:$S3_PORT             # from here and from pods, path style
S3_WEBSITE=s3-website.localhost                  # http://BUCKET.s3-website.localhost:7480
S3_REGION=us-east-1                              # any will do
S3_KEY=demo-access-key S3_SECRET=demo-secret-key # not secret at all
