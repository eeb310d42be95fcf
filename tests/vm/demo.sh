# The demo, inside the guest, on a terminal: an agent calls kubectl, the kernel holds it, a person decides,
# the same process goes on. HOLDPOINT_DEMO_YES=1 means: nobody is at the keyboard, approve.
set -eu

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
show() { printf '\033[36m$ %s\033[0m\n' "$*"; "$@"; }

say "1. The daemon, on $(uname -r), with one rule"
mkdir -p /etc/holdpoint/policies.d
# In this demo root decides on a console where nobody logged in; a real host leaves this out.
echo 'require_login_uid = false' >/etc/holdpoint/config.toml
cat >/etc/holdpoint/policies.d/10-demo.toml <<'RULE'
[[rule]]
name = "cluster"
description = "whatever touches the cluster"
exec = ["kubectl"]
action = "ask"
timeout = "30m"
RULE
cat /etc/holdpoint/policies.d/10-demo.toml
systemd-run --quiet --unit=holdpointd --property=RuntimeDirectory=holdpoint \
    --property=StateDirectory=holdpoint /usr/sbin/holdpointd
until holdpoint status >/dev/null 2>&1; do
    systemctl is-active --quiet holdpointd || { journalctl --no-pager --unit holdpointd; exit 1; }
done
holdpoint status | head -n 1

say "2. The agent: a script that runs as the user 'agent'"
cat >/tmp/agent.sh <<'AGENT'
echo "agent: I am process $$"
sh -c 'echo "agent: process $$ turns into kubectl now"
       exec kubectl version --client --output=yaml'
echo "agent: kubectl ended with status $?"
AGENT
cat /tmp/agent.sh
runuser --user agent -- holdpoint run --agent demo --reason "see which kubectl this is" \
    -- sh /tmp/agent.sh >/tmp/agent.log 2>&1 &
agent=$!

id=
until [ -n "$id" ]; do
    kill -0 "$agent" 2>/dev/null || { cat /tmp/agent.log; echo "the agent ended without being held"; exit 1; }
    id=$(holdpoint pending --json | jq --raw-output '.requests[0].id // empty')
done
cat /tmp/agent.log

say "3. The kernel holds it. What the approver sees:"
show holdpoint show "$id"

say "4. The decision"
answer=
if [ "${HOLDPOINT_DEMO_YES:-0}" = 1 ]; then
    answer=y
fi
until [ "$answer" = y ] || [ "$answer" = n ]; do
    read -r -p "Let it run? [y/n] " answer
done
if [ "$answer" = y ]; then
    show holdpoint approve "$id" --reason "harmless: prints its version"
else
    show holdpoint deny "$id" --reason "not today"
fi
wait "$agent" || true

say "5. What the agent saw: the same process went on"
cat /tmp/agent.log
if [ "$answer" = y ]; then
    grep --quiet 'gitVersion' /tmp/agent.log
    grep --quiet 'kubectl ended with status 0' /tmp/agent.log
else
    ! grep --quiet 'gitVersion' /tmp/agent.log
fi

say "6. The record"
until holdpoint show "$id" --json | jq --exit-status '.state.is == "ended"' >/dev/null; do :; done
show holdpoint log
