//! `terraform_remote_state`: one team reads another's outputs with a key that shows nothing else.

use super::module::{Backend, Module};
use super::run::Run;
use super::{Program, STATE, for_each_program};
use crate::harness::{Client, Server};

for_each_program![
    an_outputs_key_reads_the_outputs_that_are_not_sensitive,
    an_outputs_key_sees_no_resources_and_takes_no_lock,
    outputs_of_a_state_that_was_never_written_are_an_error,
];

const PRODUCER: &str = r#"
resource "terraform_data" "first" {
  input = "an attribute of a resource"
}
output "network" {
  value = { id = "net-1", zones = ["a", "b"] }
}
output "password" {
  value     = "a secret of the module"
  sensitive = true
}
"#;

fn an_outputs_key_reads_the_outputs_that_are_not_sensitive(program: &Program) {
    let server = Server::start();
    produce(program, &server);

    let consumer = consumer(program, &server, &server.key("team", "outputs"));
    consumer.apply().ok();

    let seen = consumer.run(&["output", "-json", "seen"]).ok().json();
    assert_eq!(
        seen,
        serde_json::json!({"network": {"id": "net-1", "zones": ["a", "b"]}})
    );
    let kept = consumer.json_file("terraform.tfstate").to_string();
    assert!(
        !kept.contains("a secret of the module") && !kept.contains("an attribute of a resource"),
        "{kept}"
    );
}

fn an_outputs_key_sees_no_resources_and_takes_no_lock(program: &Program) {
    let server = Server::start();
    produce(program, &server);
    let backend = Backend::locking(&server.state(STATE));
    let module = Module::new(program, &server.key("team", "outputs"), &backend).ready(PRODUCER);

    let pulled = module.run(&["state", "pull"]).ok();
    let state = pulled
        .never_says("a secret of the module")
        .never_says("an attribute of a resource")
        .json();
    let whole = server.admin().read(STATE).expect_status(200).json();
    assert_eq!(
        (&state["serial"], &state["lineage"]),
        (&whole["serial"], &whole["lineage"])
    );
    module
        .plan()
        .fails()
        .says("HTTP remote state endpoint invalid auth");
    server.admin().expect_unlocked(STATE);
}

fn outputs_of_a_state_that_was_never_written_are_an_error(program: &Program) {
    let server = Server::start();
    consumer(program, &server, &server.key("team", "outputs"))
        .apply()
        .fails()
        .says("Unable to find remote state");
}

#[track_caller]
fn produce(program: &Program, server: &Server) -> Run {
    Module::new(
        program,
        &server.key("team", "writer"),
        &Backend::locking(&server.state(STATE)),
    )
    .ready(PRODUCER)
    .apply()
    .ok()
}

/// A module with a local state that reads the outputs of [`STATE`].
fn consumer<'a>(program: &'a Program, server: &Server, key: &Client) -> Module<'a> {
    let source = format!(
        "  backend = \"http\"\n  config = {{\n    address = \"{}\"\n  }}\n",
        server.state(STATE)
    );
    let main = format!(
        "data \"terraform_remote_state\" \"producer\" {{\n{source}}}\n\
         output \"seen\" {{\n  value = data.terraform_remote_state.producer.outputs\n}}\n"
    );
    Module::local(program, key).ready(&main)
}
