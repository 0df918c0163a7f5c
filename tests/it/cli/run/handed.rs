//! Who is handed a token and nothing else: Terragrunt, and whatever has the states of a whole
//! workspace. And who is not run since its key may not write.

use super::*;

impl Site {
    fn workspace(&self, words: &[&str]) -> Command {
        let mut command = statekeep(&[
            "run",
            "--workspace",
            "team",
            "--url",
            self.server.url(),
            "--key-file",
        ]);
        command
            .arg(self.dir.path().join("key"))
            .arg("--dir")
            .arg(self.path(""))
            .arg("--")
            .args(words)
            .env_remove("TF_WORKSPACE");
        command
    }

    fn stand_in(&self, name: &str) -> String {
        self.program(name, &format!("{SCRIPT}exit 0\n"));
        self.tool(name).to_str().expect("UTF-8").to_owned()
    }
}

#[test]
fn terragrunt_gets_the_token_and_is_shown_its_block() {
    let site = Site::new();
    std::fs::remove_file(site.path("main.tf")).expect("there");
    site.write("terragrunt.hcl", "terraform {\n  source = \"./live\"\n}\n");
    for (program, words) in [
        ("terragrunt", &["apply"][..]),
        ("terragrunt-0.99", &["run", "--all", "plan"]),
        ("deploy", &["plan"]),
    ] {
        let program = site.stand_in(program);
        let _ = std::fs::remove_file(site.tool("calls"));
        let output = site.ok(&mut site.command(&[], &[&[program.as_str()], words].concat()));
        let (said, address) = (stderr(&output), site.server.state(STATE));
        assert_eq!(
            (site.calls(), site.seen("file")),
            (vec![words.join(" ")], None),
            "{said}"
        );
        for line in [
            "remote_state {",
            "backend = \"http\"",
            "lock_method    = \"LOCK\"",
            &format!("unlock_address = \"{address}\""),
        ] {
            assert!(said.contains(line), "{line}: {said}");
        }
        assert!(output.stdout.is_empty());
        site.token().read(STATE).expect_status(401);
        site.expect_nothing_left();
    }
    site.write(
        "terragrunt.hcl",
        &format!(
            "remote_state {{\n  config = {{ address = \"{}\" }}\n}}\n",
            site.server.state(STATE)
        ),
    );
    let output = site.ok(&mut site.command(&[], &[&site.stand_in("terragrunt"), "apply"]));
    assert!(output.stderr.is_empty(), "it has one: {}", stderr(&output));
}

#[test]
fn a_whole_workspace_is_handed_to_what_has_many_states() {
    let site = Site::new();
    site.close("command");
    let make = site.stand_in("make");
    let run = site
        .workspace(&[&make])
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    site.reached("command");
    let token = site.token();
    token.read(STATE).expect_problem(404, "no_state");
    token.read("team/other").expect_problem(404, "no_state");
    token.read("rival/net").expect_status(403);
    assert_eq!((site.seen("file"), site.path(FILE).exists()), (None, false));
    site.open("command");
    let output = run.wait_with_output().expect("it ends");
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{}",
        stderr(&output)
    );
    site.expect_nothing_left();
    let terragrunt = site.stand_in("terragrunt");
    let said = stderr(
        &site.ok(site
            .workspace(&[&terragrunt, "run", "--all", "plan"])
            .stderr(Stdio::piped())),
    );
    assert!(
        said.contains("/buildingblock/${replace(path_relative_to_include(), \"/\", \".\")}\""),
        "{said}"
    );
    let refused = site
        .workspace(&[&site.terraform(), "apply"])
        .output()
        .expect("it runs");
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    assert!(
        stderr(&refused).contains("--building-block"),
        "{}",
        stderr(&refused)
    );
}

#[test]
fn a_key_that_may_not_write_starts_nothing_that_does() {
    let site = Site::new();
    site.key_file(site.server.key("team", "planner").secret());
    let ours = format!(
        "terraform {{\n  backend \"http\" {{\n    address = \"{}\"\n  }}\n}}\n",
        site.server.state(STATE)
    );
    for sources in ["", &ours] {
        site.write("main.tf", sources);
        for words in [
            &["apply"][..],
            &["destroy"],
            &["state", "rm", "a"],
            &["import", "a", "b"],
        ] {
            site.refused(
                &mut site.command(&[], &[&[site.terraform().as_str()], words].concat()),
                1,
                "lacks the permission TFSTATE_SAVE",
            );
            assert!(
                site.calls().is_empty(),
                "no init either: {:?}",
                site.calls()
            );
        }
        site.ok(&mut site.command(&[], &[&site.terraform(), "plan"]));
    }
    let terragrunt = site.stand_in("terragrunt");
    site.refused(
        &mut site.command(&[], &[&terragrunt, "run", "--all", "apply"]),
        1,
        "lacks the permission TFSTATE_SAVE",
    );
    site.expect_nothing_left();
}
