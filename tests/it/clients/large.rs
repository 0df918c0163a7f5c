//! A state of 20 MB, which is common trouble elsewhere.

use super::module::{Backend, Module};
use super::{Program, STATE, for_each_program, for_tofu};
use crate::harness::Server;

for_each_program![
    #[ignore = "middle tier: half a minute of work"]
    a_state_of_twenty_megabytes_is_written_changed_and_read_back
];

/// What `cargo test` tries of it.
mod smaller {
    super::for_tofu![a_state_of_two_megabytes_is_written_changed_and_read_back];

    fn a_state_of_two_megabytes_is_written_changed_and_read_back(program: &super::Program) {
        super::written_changed_and_read_back(program, 100_000);
    }
}

/// Each resource keeps its input twice, as `input` and as `output`.
const RESOURCES: usize = 10;

/// The large inputs count as sensitive, so that no plan prints them.
fn main_tf(small: &str) -> String {
    let large = format!(
        "  count = {RESOURCES}\n  input = sensitive(\"${{count.index}} ${{file(\"text\")}}\")\n"
    );
    format!(
        "resource \"terraform_data\" \"large\" {{\n{large}}}\nresource \"terraform_data\" \
            \"small\" {{\n  input = \"{small}\"\n}}\n"
    )
}

fn a_state_of_twenty_megabytes_is_written_changed_and_read_back(program: &Program) {
    written_changed_and_read_back(program, 1_000_000);
}

/// With a text of so many bytes in each resource.
fn written_changed_and_read_back(program: &Program, length: usize) {
    let server = Server::start();
    let (admin, writer) = (server.admin(), server.key("team", "writer"));
    let module = Module::new(program, &writer, &Backend::locking(&server.state(STATE)))
        .write("text", &text(length));
    let module = module.ready(&main_tf("before"));
    module.apply().ok().says("11 added, 0 changed, 0 destroyed");
    let module = module.write("main.tf", &main_tf("after"));
    module.apply().ok().says("0 added, 1 changed, 0 destroyed");
    module.plan().ok().says("No changes.");

    let stored = admin.read(STATE).expect_status(200);
    assert!(
        stored.bytes.len() >= 2 * RESOURCES * length,
        "{} bytes are not all",
        stored.bytes.len()
    );
    let pulled = module.run(&["state", "pull"]).ok();
    assert!(
        serde_json::from_str::<serde_json::Value>(&pulled.stdout).expect("a state")
            == stored.json(),
        "the client read something else"
    );
    let versions = admin.versions(STATE);
    assert_eq!(versions.len(), 2, "{versions:?}");
    assert_eq!(versions[0]["size"], stored.bytes.len());
    admin.expect_unlocked(STATE);
}

/// Letters that do not compress away; the same ones each time.
fn text(length: usize) -> String {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let letter = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'a' + u8::try_from(state % 26).expect("below 26"))
    };
    (0..length).map(letter).collect()
}
