#!/bin/sh
# Stands in for `scheduler dev` where the harness itself is tested: it prints what it was given and waits.
if [ -n "$REFUSE" ]; then
    echo "$REFUSE" >&2
    exit 1
fi
sleep 60 > /dev/null 2>&1 &
sleeping=$!
trap 'kill "$sleeping"; echo bye; exit 7' TERM
echo "given $*"
echo "secret $SECRET, profile ${AWS_PROFILE-none}" >&2
echo 'dynamodb http://127.0.0.1:1'
echo 'ready http://127.0.0.1:2'
wait
