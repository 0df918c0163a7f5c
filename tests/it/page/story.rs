//! The state that the tests of its views are about: what a team has written, and how.

use serde_json::{Value, json};

use crate::harness::{Client, Server};

/// The state's name.
pub(super) const STATE: &str = "team/network";

/// The view of the state, or of a part of it.
pub(super) fn view(part: &str) -> String {
    format!("/#/states/{STATE}{part}")
}

/// An instance of a virtual machine with a password. `grown` depends on `new`.
pub(super) fn machine(name: &str, size: &str) -> Value {
    let dependencies: &[&str] = match name {
        "grown" => &["cloud_machine.new"],
        _ => &[],
    };
    json!({
        "mode": "managed", "type": "cloud_machine", "name": name,
        "provider": "provider[\"registry.example/acme/cloud\"]",
        "instances": [{
            "schema_version": 0, "sensitive_attributes": [], "dependencies": dependencies,
            "attributes": {"id": format!("vm-{name}"), "size": size, "admin_password": "hunter2"}
        }]
    })
}

/// A state with these resources and two outputs, one of them sensitive.
pub(super) fn body(serial: u64, resources: &[Value]) -> String {
    json!({
        "version": 4, "terraform_version": "1.11.4", "serial": serial, "lineage": "story",
        "outputs": {
            "address": {"value": "10.1.2.3", "type": "string"},
            "admin": {"value": "open-sesame", "type": "string", "sensitive": true}
        },
        "resources": resources, "check_results": null
    })
    .to_string()
}

/// Writes these states, one after the other, under one lock.
pub(super) fn apply(key: &Client, lock: &str, states: &[String]) {
    key.lock(STATE, lock).expect_status(200);
    for state in states {
        key.write(STATE, state, Some(lock)).expect_status(200);
    }
    key.unlock(STATE, lock).expect_status(200);
}

/// Three applies: the first makes two machines, the second, with two snapshots on its way, makes a
/// third one larger, the last drops `old`. So the versions that stay are 1, 4 and 5.
pub(super) fn tell(server: &Server) {
    let writer = server.key("team", "writer");
    let (old, new) = (machine("old", "small"), machine("new", "small"));
    apply(&writer, "first", &[body(1, &[old.clone(), new.clone()])]);
    let grown = |size: &str| [old.clone(), new.clone(), machine("grown", size)];
    let second = [
        body(2, &grown("small")),
        body(3, &grown("medium")),
        body(4, &grown("large")),
    ];
    apply(&writer, "second", &second);
    apply(
        &writer,
        "third",
        &[body(5, &[new, machine("grown", "large")])],
    );
}
