//! `examples/module`: two root modules, one of which reads the outputs of the other, run by the
//! commands of their page.

use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

use super::{SITE, STATE, Tools, block, text, with};
use crate::clients::run::{Run, Running};
use crate::clients::{Program, for_each_program};
use crate::harness::Server;

for_each_program![one_module_reads_the_outputs_of_the_other];

const APP: &str = "team-a/app";

fn one_module_reads_the_outputs_of_the_other(program: &Program) {
    let server = Server::start();
    let (tools, dir) = (Tools::of(program), TempDir::new().expect("a directory"));
    std::fs::write(
        dir.path().join("team-a.key"),
        server.key("team-a", "writer").secret(),
    )
    .expect("a file");
    copy("network", dir.path(), &server);
    copy("app", dir.path(), &server);
    let pasted = block(&text("module/README.md"), "TF_HTTP_PASSWORD");
    let pasted = with(&pasted, &[("terraform", program.name())]);

    let run = run(&tools, dir.path(), &server, &pasted).ok();

    run.says("10.20.0.0/24").says("10.20.1.0/24");
    let outputs = server
        .admin()
        .get(&format!("{}/outputs", crate::harness::state_path(APP)));
    let outputs = outputs.expect_status(200).json();
    assert_eq!(
        outputs["outputs"]["subnets"]["value"],
        json!({"a": "10.20.0.0/24", "b": "10.20.1.0/24"}),
        "{outputs}"
    );
    for state in [STATE, APP] {
        let versions = server.admin().versions(state);
        assert_eq!(versions.len(), 1, "{versions:?}");
        assert!(versions[0]["lock"].is_object(), "{versions:?}");
        server.admin().expect_unlocked(state);
    }
    under_run(&tools, program, dir.path(), &server);
}

/// The page says that a token for `app` alone does not read `network`, and one for both does.
fn under_run(tools: &Tools, program: &Program, dir: &Path, server: &Server) {
    let said = "statekeep run --workspace team-a -- sh -c 'terraform apply'";
    assert!(text("module/README.md").contains(said));
    let both = with(said, &[("terraform", program.name())]);
    let apply = format!("{} apply", program.name());
    let alone = format!("statekeep run --workspace team-a --building-block app -- {apply}");
    let key = "STATEKEEP_KEY_FILE=$PWD/team-a.key";
    let in_app = |command: &str| {
        run(
            tools,
            dir,
            server,
            &format!("export {key}; cd app; {command}"),
        )
    };
    in_app(&alone)
        .fails()
        .says("HTTP remote state endpoint invalid auth");
    in_app(&both).ok().says("No changes");
}

fn run(tools: &Tools, dir: &Path, server: &Server, script: &str) -> Run {
    let mut shell = tools.shell(dir, script);
    shell
        .env("TF_CLI_ARGS_apply", "-auto-approve")
        .env("STATEKEEP_URL", server.url());
    Running::spawn(shell).wait()
}

/// One of the modules, for a server that is there.
pub(super) fn copy(name: &str, into: &Path, server: &Server) {
    let main = with(
        &text(&format!("module/{name}/main.tf")),
        &[(SITE, server.url())],
    );
    std::fs::create_dir(into.join(name)).expect("a directory");
    std::fs::write(into.join(name).join("main.tf"), main).expect("a file");
}
