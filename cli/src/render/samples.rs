//! Requests for tests: a plain one, and one that an attacker made.

use holdpoint_core::wire::RequestView;
use serde_json::{Value, json};

/// A pending request as there are many.
pub(crate) fn request(id: &str) -> RequestView {
    serde_json::from_value(plain(id)).unwrap()
}

/// A pending request in which everything that an agent can write is hostile.
pub(crate) fn hostile(id: &str) -> RequestView {
    let evil = "\u{1b}[2J\u{1b}]0;x\u{7}\r\n  [0] ls\u{202e}txt\u{200b}\u{9b}31m\u{7f}日本";
    let mut value = plain(id);
    let facts = &mut value["facts"];
    facts["argv"] = json!([evil, {"hex": "ff00fe1b"}, evil.repeat(200), ""]);
    for field in ["called", "cwd", "cgroup"] {
        facts[field] = json!(evil);
    }
    facts["agent"]["claim"] = json!(evil);
    facts["executable"]["path"] = json!(evil);
    facts["executable"]["interpreter"] = json!(evil);
    facts["executable"]["owner"] = json!(1000);
    facts["executable"]["mode"] = json!(0o777);
    facts["tty"] = json!(evil);
    facts["unit"] = json!(evil);
    facts["env"] = json!({"LD_PRELOAD": evil, "PATH": evil.repeat(100)});
    facts["loader_variables"] = json!(["LD_PRELOAD", "LD_\\x1bSECRET"]);
    facts["parents"] = json!(vec![json!({"pid": 9, "exe": evil, "command": evil.repeat(50)}); 100]);
    value["note"] = json!(evil);
    serde_json::from_value(value).unwrap()
}

fn plain(id: &str) -> Value {
    json!({
        "id": id, "hold": "1", "wait": "hold", "state": {"is": "pending"},
        "facts": {
            "agent": {"id": 3, "name": "claude", "claim": "tidy up the test cluster"},
            "user": {"uid": 1000, "euid": 1000, "name": "dev", "login_uid": 1000, "login_name": "dev"},
            "pid": 4711, "tid": 4711, "host": "build-7",
            "executable": {"path": "/usr/bin/kubectl", "sha256": "ab".repeat(32), "owner": 0, "owner_name": "root",
                           "mode": 0o755, "size": 49_000_000, "interpreter": null},
            "called": "/usr/bin/kubectl",
            "argv": ["kubectl", "delete", "namespace", "my prod", ""],
            "cwd": "/home/dev/src", "tty": "pts/3",
            "parents": [{"pid": 4700, "exe": "/usr/bin/bash", "command": "bash -c kubectl"},
                        {"pid": 4600, "exe": "/usr/bin/claude", "command": "claude"}],
            "cgroup": "/user.slice/user-1000.slice", "unit": null,
            "env": {"KUBECONFIG": "/home/dev/.kube/config", "PATH": "/usr/bin:/bin"},
        },
        "decision": {"action": "ask", "rule": "cloud", "description": "changes to clusters",
                     "because": "name 'kubectl' (policies.d/10-cloud.toml:3)",
                     "timeout": 300_000, "valid_for": 30_000, "wait": "hold"},
        "votes": [], "made_at": 1_795_388_372_000_u64, "deadline": 1_795_388_672_000_u64,
        "valid_until": null, "ended_at": null, "note": null,
    })
}
