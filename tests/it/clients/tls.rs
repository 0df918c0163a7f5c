//! The real programs over TLS: with an authority of `statekeep tls self-signed`, and with client
//! certificates.

use serde_json::json;

use super::module::{Backend, Module, resources};
use super::{Program, STATE, for_either_program};
use crate::harness::{Server, statekeep};
use crate::tls::authority::Site;

for_either_program![
    everyday_work_goes_over_tls_with_a_private_authority,
    a_client_certificate_is_shown_where_it_is_asked_for,
    run_hands_on_what_its_program_needs,
];

fn module<'a>(program: &'a Program, server: &Server) -> Module<'a> {
    let writer = server.key("team", "writer");
    Module::new(program, &writer, &Backend::locking(&server.state(STATE)))
        .write("main.tf", &resources(&["a"]))
}

const APPLY: [&str; 3] = ["apply", "-input=false", "-auto-approve"];

fn everyday_work_goes_over_tls_with_a_private_authority(program: &Program) {
    let site = Site::new();
    let server = site.setup().start();
    let module = module(program, &server);
    let retries = [("TF_HTTP_RETRY_MAX", "0")];
    module.run_with(&["init", "-input=false"], &retries).fails();

    let trust = [("TF_HTTP_CLIENT_CA_CERTIFICATE_PEM", site.authority.pem())];
    module.run_with(&["init", "-input=false"], &trust).ok();
    module.run_with(&APPLY, &trust).ok();
    module
        .run_with(&["plan", "-input=false", "-detailed-exitcode"], &trust)
        .ok();
    assert_eq!(server.admin().versions(STATE).len(), 1);
    server.admin().expect_unlocked(STATE);
    // The certificate is exchanged between two commands.
    site.put(&site.authority.server(60));
    server.signal("HUP");
    module
        .run_with(&["destroy", "-input=false", "-auto-approve"], &trust)
        .ok();
    assert_eq!(server.admin().versions(STATE).len(), 2);
}

fn a_client_certificate_is_shown_where_it_is_asked_for(program: &Program) {
    let site = Site::new();
    let pair = site.authority.between(&["runner.ci.example"], -1, 90);
    let other = site.authority.between(&["runner.example"], -1, 90);
    let setup = site.setup_over(site.authority.client_with(&pair));
    let server = setup.flag("--tls-client-ca", &site.flag("ca.pem")).start();
    let bound = json!({
        "name": "ci", "workspace": "team", "role": "writer", "client_sans": ["*.ci.example"],
    });
    let writer = server.make_key(&bound);
    let module = Module::new(program, &writer, &Backend::locking(&server.state(STATE)))
        .write("main.tf", &resources(&["a"]));
    let ca = ("TF_HTTP_CLIENT_CA_CERTIFICATE_PEM", site.authority.pem());
    let retries = ("TF_HTTP_RETRY_MAX", "0");
    module
        .run_with(&["init", "-input=false"], &[ca, retries])
        .fails();
    let other = [
        ca,
        retries,
        ("TF_HTTP_CLIENT_CERTIFICATE_PEM", &*other.cert),
        ("TF_HTTP_CLIENT_PRIVATE_KEY_PEM", &*other.key),
    ];
    module.run_with(&["init", "-input=false"], &other).fails();
    let shown = [
        ca,
        ("TF_HTTP_CLIENT_CERTIFICATE_PEM", &*pair.cert),
        ("TF_HTTP_CLIENT_PRIVATE_KEY_PEM", &*pair.key),
    ];
    module.run_with(&["init", "-input=false"], &shown).ok();
    module.run_with(&APPLY, &shown).ok();
    assert_eq!(server.admin().versions(STATE).len(), 1);
}

fn run_hands_on_what_its_program_needs(program: &Program) {
    let site = Site::new();
    let pair = site.authority.between(&["ci.example"], -1, 90);
    site.write("client.pem", &pair.cert);
    site.write("client.key", &pair.key);
    let setup = site.setup_over(site.authority.client_with(&pair));
    let server = setup.flag("--tls-client-ca", &site.flag("ca.pem")).start();
    let writer = server.key("team", "writer");
    site.write("secret", writer.secret());
    let module = Module::local(program, &writer).write("main.tf", &resources(&["a"]));
    let (workspace, block) = STATE.split_once('/').expect("two names");
    for words in [&["init", "-input=false"][..], &APPLY] {
        let mut command = statekeep(&["run", "--workspace", workspace, "--building-block", block]);
        command.args(["--url", server.url(), "--key-file", &site.flag("secret")]);
        command.args(["--ca-file", &site.flag("ca.pem")]);
        command.args(["--client-cert", &site.flag("client.pem")]);
        command.args(["--client-key", &site.flag("client.key")]);
        command
            .current_dir(module.dir())
            .env("TF_IN_AUTOMATION", "1");
        let output = command.args(["--", module.program()]).args(words).output();
        let output = output.expect("it runs");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    assert_eq!(server.admin().versions(STATE).len(), 1);
    server.admin().expect_unlocked(STATE);
}
