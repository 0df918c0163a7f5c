//! A module that says itself where its state goes: nothing is generated, and only a backend that is
//! this very state gets a token.

use super::*;

fn http(settings: &str) -> String {
    format!("terraform {{\n  backend \"http\" {{\n{settings}  }}\n}}\n")
}

#[test]
fn another_backend_is_left_as_it_is() {
    let site = Site::new();
    site.write("main.tf", BACKEND);
    let mut command = site.command(&["--transfer", "never"], &[&site.terraform(), "apply"]);
    let output = site.ok(command
        .env("TF_HTTP_ADDRESS", "http://elsewhere/")
        .env("TF_HTTP_PASSWORD", "mine")
        .env("TF_WORKSPACE", "blue"));
    let said = stderr(&output);
    assert_eq!(
        said.matches("main.tf:2 configures `backend \"local\"`")
            .count(),
        1,
        "{said}"
    );
    assert_eq!(site.calls(), ["apply"]);
    assert_eq!(site.seen("file"), None);
    assert_eq!(
        site.variable("TF_HTTP_ADDRESS").as_deref(),
        Some("http://elsewhere/")
    );
    assert_eq!(site.variable("TF_HTTP_PASSWORD").as_deref(), Some("mine"));
    assert!(!site.seen("env").expect("it ran").contains("STATEKEEP_"));
    assert!(
        site.server.admin().events("kind=login").is_empty(),
        "no token"
    );
}

#[test]
fn without_a_transfer_no_server_is_asked() {
    let site = Site::new();
    site.write("main.tf", BACKEND);
    site.server.signal("STOP");
    site.ok(&mut site.command(&["--transfer", "never"], &[&site.terraform(), "apply"]));
    site.server.signal("CONT");
}

#[test]
fn a_backend_that_is_this_very_state_gets_a_token() {
    let site = Site::new();
    let ours = site.server.state(STATE);
    let gets_a_token = |command: &mut Command| {
        let _ = std::fs::remove_file(site.tool("calls"));
        let said = stderr(&site.ok(command));
        assert!(said.is_empty(), "{said}");
        let had = site
            .variable("TF_HTTP_PASSWORD")
            .is_some_and(|token| token.starts_with("skt_"));
        assert!(had && site.calls().len() == 1 && site.seen("file").is_none());
        site.expect_nothing_left();
    };
    site.write(
        "main.tf",
        &http(&format!(
            "    address = \"{}\"\n",
            ours.replace("buildingblock", "buildingBlock")
        )),
    );
    gets_a_token(&mut site.apply());
    site.write("main.tf", &http(""));
    gets_a_token(site.apply().env("TF_HTTP_ADDRESS", &ours));
    assert_eq!(
        site.variable("TF_HTTP_ADDRESS"),
        Some(ours.clone()),
        "it stays, the block says nothing"
    );
    gets_a_token(&mut site.command(
        &[],
        &[
            &site.terraform(),
            "init",
            &format!("-backend-config=address={ours}"),
        ],
    ));
    site.record(&ours);
    gets_a_token(&mut site.apply());
    site.refused(site.apply().env("TF_WORKSPACE", "blue"), 1, "no workspaces");
}

#[test]
fn another_address_is_another_backend() {
    let site = Site::new();
    let gets_none = |command: &mut Command| {
        let said = stderr(&site.ok(command));
        assert!(
            said.contains("main.tf:2 configures `backend \"http\"`"),
            "{said}"
        );
        assert_eq!(site.variable("TF_HTTP_PASSWORD"), None);
    };
    let never = || site.command(&["--transfer", "never"], &[&site.terraform(), "apply"]);
    site.write(
        "main.tf",
        &http(&format!(
            "    address = \"{}\"\n",
            site.server.state("team/two")
        )),
    );
    gets_none(&mut never());
    site.write("main.tf", &http(""));
    gets_none(&mut never());
    gets_none(never().env("TF_HTTP_ADDRESS", site.server.state("team/two")));
    site.record(&site.server.state("team/two"));
    gets_none(never().env("TF_HTTP_ADDRESS", site.server.state(STATE)));
    assert!(site.server.admin().events("kind=login").is_empty());
}

#[test]
fn what_configure_wrote_is_a_backend_and_stays() {
    let site = Site::new();
    let module = site.path("").to_str().expect("UTF-8").to_owned();
    let configure = [
        "configure",
        &module,
        "--workspace",
        "team",
        "--building-block",
        "net",
        "--url",
        site.server.url(),
    ];
    assert!(statekeep(&configure).status().expect("it runs").success());
    let before = std::fs::read_to_string(site.path(FILE)).expect("written");
    site.ok(&mut site.apply());
    assert_eq!(site.calls(), ["apply"]);
    assert_eq!(
        std::fs::read_to_string(site.path(FILE)).expect("still there"),
        before
    );
    site.token().read(STATE).expect_status(401);

    // As an earlier version wrote it, which left the methods to the environment.
    let earlier: Vec<&str> = before
        .lines()
        .filter(|line| !line.contains("_method"))
        .collect();
    assert_eq!(earlier.len() + 3, before.lines().count());
    site.write(FILE, &format!("{}\n", earlier.join("\n")));
    site.ok(site
        .apply()
        .env("TF_HTTP_LOCK_METHOD", "POST")
        .env("TF_HTTP_UNLOCK_METHOD", "DELETE"));
    assert_eq!(
        (
            site.variable("TF_HTTP_LOCK_METHOD"),
            site.variable("TF_HTTP_UNLOCK_METHOD")
        ),
        (None, None)
    );
}

#[test]
fn commands_that_need_no_backend_need_nothing() {
    let site = Site::new();
    site.write("main.tf", "}");
    site.key_file("nonsense");
    for words in [
        &["version"][..],
        &["fmt", "-check"],
        &["apply", "-help"],
        &["-version"],
        &[],
    ] {
        let terraform = site.terraform();
        site.ok(&mut site.command(
            &["--url", "http://127.0.0.1:1"],
            &[&[terraform.as_str()], words].concat(),
        ));
        assert_eq!(
            (site.variable("TF_HTTP_PASSWORD"), site.seen("file")),
            (None, None)
        );
    }
}

#[test]
fn words_of_another_program_are_no_call_for_help() {
    let site = Site::new();
    site.program("deploy.sh", &format!("{SCRIPT}exit 0\n"));
    let deploy = site.tool("deploy.sh");
    let deploy = deploy.to_str().expect("UTF-8");
    for words in [&["apply", "-v"][..], &["apply", "--version", "7"]] {
        site.ok(&mut site.command(&[], &[&[deploy], words].concat()));
        assert!(site.seen("file").is_some(), "{words:?}: no backend");
        assert!(site.variable("TF_HTTP_PASSWORD").is_some(), "{words:?}");
        site.expect_nothing_left();
    }
}

#[test]
fn wrong_usage_says_that_the_command_was_not_run() {
    let site = Site::new();
    for (flags, begins) in [
        (&["--bogus"][..], "error: unexpected argument"),
        (&["--transfer", "soon"], "error: invalid value"),
        (&["--bogus", "--json"], "{"),
    ] {
        let output = site
            .command(flags, &[&site.terraform(), "apply"])
            .output()
            .expect("it runs");
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.starts_with(begins), "{said}");
        assert!(said.contains("The command was not run."), "{said}");
    }
    assert!(site.calls().is_empty());
    let help = statekeep(&["run", "--help"]).output().expect("it runs");
    assert_eq!(stderr(&help), "");
}

#[test]
fn a_program_that_starts_others_is_asked_for_no_init() {
    let site = Site::new();
    let before = "as in `timeout 1h statekeep run … -- tofu apply`";
    for name in ["nice", "bash", "deploy.sh"] {
        site.program(name, &format!("{SCRIPT}exit 0\n"));
        std::fs::write(site.tool("init-fails"), "").expect("a file");
        let program = site.tool(name);
        let program = program.to_str().expect("UTF-8");
        let refused = site.command(&[], &[program, "apply"]).output();
        let refused = refused.expect("it runs");
        let said = stderr(&refused);
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(
            said.contains(before) && said.contains("was not run"),
            "{said}"
        );
        let asked = name == "deploy.sh";
        assert_eq!(site.calls().len(), usize::from(asked), "{name}: {said}");
    }
    // Where none is needed they run.
    std::fs::remove_file(site.tool("init-fails")).expect("there");
    let nice = site.tool("nice");
    let nice = nice.to_str().expect("UTF-8");
    site.ok(&mut site.command(&[], &[nice, "init"]));
    site.expect_nothing_left();
}
