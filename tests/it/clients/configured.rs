//! What `statekeep configure` writes, used by the real programs; and what `statekeep detect` says
//! of a module is what they make of it.

use super::module::{Module, resources};
use super::{Program, STATE, for_each_program};
use crate::harness::{Server, statekeep};

for_each_program![
    what_configure_writes_works,
    tricky_sources_are_loaded_as_they_are_detected
];

fn what_configure_writes_works(program: &Program) {
    let server = Server::start();
    let module =
        Module::local(program, &server.key("team", "writer")).write("main.tf", &resources(&["a"]));
    let dir = module.dir().to_str().expect("UTF-8");
    let (workspace, block) = STATE.split_once('/').expect("two names");
    let configure = [
        "configure",
        dir,
        "--workspace",
        workspace,
        "--building-block",
        block,
        "--base-url",
        server.url(),
    ];
    let configured = statekeep(&configure).output().expect("it runs");
    assert!(
        configured.status.success(),
        "{}",
        String::from_utf8_lossy(&configured.stderr)
    );

    module.init().ok();
    module.apply().ok();

    let versions = server.admin().versions(STATE);
    assert_eq!(versions.len(), 1, "{versions:?}");
    assert!(
        versions[0]["lock"].is_object(),
        "it was locked: {versions:?}"
    );
    server.admin().expect_unlocked(STATE);
    assert!(
        !module.has("terraform.tfstate"),
        "nothing is kept beside it"
    );

    // What build servers set for another backend changes nothing.
    for (lock, unlock, update) in [("POST", "DELETE", "PUT"), ("PUT", "UNLOCK", "POST")] {
        module.add(&format!("{lock}.tf"), &resources(&[lock]));
        let variables = [
            ("TF_HTTP_LOCK_METHOD", lock),
            ("TF_HTTP_UNLOCK_METHOD", unlock),
            ("TF_HTTP_UPDATE_METHOD", update),
        ];
        module
            .run_with(&["apply", "-input=false", "-auto-approve"], &variables)
            .ok()
            .says("1 added");
        server.admin().expect_unlocked(STATE);
    }
    assert_eq!(server.admin().versions(STATE).len(), 3);
}

/// Override files, odd white space and heredocs: the client initialises the backend that `detect`
/// says.
fn tricky_sources_are_loaded_as_they_are_detected(program: &Program) {
    let server = Server::start();
    let local = |path: &str| {
        format!("terraform {{\n  backend \"local\" {{\n    path = \"{path}\"\n  }}\n}}\n")
    };
    let heredoc = "\u{feff}locals {\r\n  x = <<-EOF\r\n  terraform {\r\n    backend \"http\" \
        {}\r\n  }\r\n  EOF\r\n}\r\n";
    let module = Module::local(program, &server.key("team", "writer"))
        .write("heredoc.tf", heredoc)
        .write(
            "main.tf",
            &format!("{}{}", local("first.tfstate"), resources(&["a"])),
        )
        .write("b_override.tf", &local("b.tfstate"))
        .write("override.tf", &local("last.tfstate"));
    let output = statekeep(&[
        "detect",
        module.dir().to_str().expect("UTF-8"),
        "--format",
        "json",
    ])
    .output()
    .expect("it runs");
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let found = answer["found"].as_array().expect("a list");
    assert_eq!(
        (found.len(), &found[2]["file"]),
        (3, &serde_json::json!("override.tf")),
        "{answer}"
    );

    module.init().ok();
    module.apply().ok();

    assert!(module.has("last.tfstate") && !module.has("first.tfstate") && !module.has("b.tfstate"));
}
