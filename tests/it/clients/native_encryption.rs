//! OpenTofu's own encryption of states: to the server a sealed body, to its user a state like any
//! other.

use super::module::{Backend, Module, resources};
use super::{Program, STATE, for_tofu};
use crate::harness::Server;

for_tofu![
    an_encrypted_state_is_written_and_read_back,
    outputs_of_an_encrypted_state_are_refused_to_an_outputs_key,
    a_plain_state_is_encrypted_in_place,
];

const KEY_AND_METHOD: &str = r#"
    key_provider "pbkdf2" "phrase" {
      passphrase = "correct horse battery staple"
      iterations = 200000
    }
    method "aes_gcm" "sealed" {
      keys = key_provider.pbkdf2.phrase
    }
"#;

pub(super) const ENFORCED: &str = r"
    state {
      method   = method.aes_gcm.sealed
      enforced = true
    }
";

/// The step in between that OpenTofu wants: writes sealed, and still reads what is plain.
const MIGRATING: &str = r#"
    method "unencrypted" "plain" {}
    state {
      method = method.aes_gcm.sealed
      fallback {
        method = method.unencrypted.plain
      }
    }
"#;

pub(super) fn encryption(state: &str) -> String {
    format!("terraform {{\n  encryption {{{KEY_AND_METHOD}{state}  }}\n}}\n")
}

fn an_encrypted_state_is_written_and_read_back(program: &Program) {
    let server = Server::start();
    let (admin, writer) = (server.admin(), server.key("team", "writer"));
    let module = Module::new(program, &writer, &Backend::locking(&server.state(STATE)))
        .write("encryption.tf", &encryption(ENFORCED));
    let module = module.ready(&resources(&["first"]));
    module.apply().ok();
    let module = module.write("main.tf", &resources(&["first", "second"]));
    module.apply().ok().says("1 added, 0 changed, 0 destroyed");
    module.plan().ok().says("No changes.");

    let stored = admin.read(STATE).expect_status(200);
    assert!(
        stored.json()["encrypted_data"].is_string() && !stored.text().contains("made by first"),
        "{}",
        stored.text()
    );
    assert!(
        module
            .run(&["state", "pull"])
            .ok()
            .stdout
            .contains("made by second")
    );
    let versions = admin.versions(STATE);
    assert_eq!(versions.len(), 2, "{versions:?}");
    assert!(
        versions
            .iter()
            .all(|version| version["encrypted"] == true && version["resources"].is_null()),
        "{versions:?}"
    );
    assert_eq!(
        versions[0]["serial"], 2,
        "the outer serial is there to read: {versions:?}"
    );
    admin.expect_unlocked(STATE);
}

fn outputs_of_an_encrypted_state_are_refused_to_an_outputs_key(program: &Program) {
    let server = Server::start();
    let backend = Backend::locking(&server.state(STATE));
    let module = Module::new(program, &server.key("team", "writer"), &backend)
        .write("encryption.tf", &encryption(ENFORCED));
    let module = module.ready("output \"shown\" {\n  value = 1\n}\n");
    module.apply().ok();

    let module = module.with_key(&server.key("team", "outputs"));
    module
        .run(&["output", "shown"])
        .fails()
        .says("HTTP remote state endpoint invalid auth");
}

fn a_plain_state_is_encrypted_in_place(program: &Program) {
    let server = Server::start();
    let module = Module::applied(program, &server, &["first"])
        .write("encryption.tf", &encryption(MIGRATING));
    module.init().ok();
    let module = module.write("main.tf", &resources(&["first", "second"]));
    module.apply().ok().says("1 added, 0 changed, 0 destroyed");
    let module = module.write("encryption.tf", &encryption(ENFORCED));
    module.plan().ok().says("No changes.");

    let versions = server.admin().versions(STATE);
    let sealed: Vec<_> = versions
        .iter()
        .map(|version| version["encrypted"].clone())
        .collect();
    assert_eq!(sealed, [true, false], "{versions:?}");
}
