//! What `init` is told beside the block, and what it has recorded: in the order in which the
//! programs take them.

use super::*;

const PARTIAL: &str = "terraform {\n  backend \"http\" {}\n}\n";

fn has_a_token(site: &Site, command: &mut Command) -> bool {
    let _ = std::fs::remove_file(site.tool("env"));
    site.script("exit 0\n");
    let all = SCRIPT.replace("exit 0\nfi", "env >\"$seen/env\"; exit 0\nfi");
    site.program("terraform", &all);
    site.ok(command);
    site.variable("TF_HTTP_PASSWORD")
        .is_some_and(|token| token.starts_with("skt_"))
}

const OTHER: &str = "http://127.0.0.1:9/other";

/// A partial block, and files of settings for this state, for another one and for none.
fn with_files() -> (Site, String) {
    let site = Site::new();
    let ours = site.server.state(STATE);
    site.write("main.tf", PARTIAL);
    let hcl = |address: &str| {
        format!(
            "# for one environment\naddress        = \"{address}\"\nlock_address   = \
                \"{address}\"\n"
        )
    };
    site.write("ours.http.tfbackend", &hcl(&ours))
        .write("other.tfbackend", &hcl(OTHER));
    site.write("ours.json", &format!("{{\"address\": \"{ours}\"}}"))
        .write("none", "retry_max = 3\n");
    site.write("sub/main.tf", PARTIAL)
        .write("sub/below.tfbackend", &hcl(&ours));
    (site, ours)
}

/// What `init` is told, and whether that is this state.
fn told(site: &Site, ours: &str) -> [(Vec<String>, bool); 9] {
    let (said, dir) = (
        |value: &str| format!("-backend-config={value}"),
        site.path("").display().to_string(),
    );
    [
        (vec![said("ours.http.tfbackend")], true),
        (
            vec![
                "-backend-config".to_owned(),
                "ours.http.tfbackend".to_owned(),
            ],
            true,
        ),
        (vec![said(&format!("{dir}/ours.http.tfbackend"))], true),
        (vec![said("./ours.json")], true),
        (vec![said("other.tfbackend"), said("ours.json")], true),
        (vec![said("ours.json"), said("other.tfbackend")], false),
        (
            vec![
                said("other.tfbackend"),
                said(&format!("address={ours}")),
                said("none"),
            ],
            true,
        ),
        (
            vec![
                said(&format!("address={OTHER}")),
                said("ours.http.tfbackend"),
            ],
            true,
        ),
        (vec![said("none")], false),
    ]
}

#[test]
fn files_of_settings_are_read_as_init_reads_them() {
    let (site, ours) = with_files();
    for (words, expected) in told(&site, &ours) {
        let terraform = site.terraform();
        let words: Vec<&str> = [terraform.as_str(), "init"]
            .into_iter()
            .chain(words.iter().map(String::as_str))
            .collect();
        assert_eq!(
            has_a_token(&site, &mut site.command(&["--transfer", "never"], &words)),
            expected,
            "{words:?}"
        );
        let in_variable = words[2..].join(" ");
        let mut init = site.command(&["--transfer", "never"], &[&terraform, "init"]);
        assert_eq!(
            has_a_token(&site, init.env("TF_CLI_ARGS_init", &in_variable)),
            expected,
            "TF_CLI_ARGS_init={in_variable}"
        );
        let mut apply = site.command(&["--transfer", "never"], &[&terraform, "apply"]);
        assert_eq!(
            has_a_token(&site, apply.env("TF_CLI_ARGS_init", &in_variable)),
            expected,
            "apply, TF_CLI_ARGS_init={in_variable}"
        );
    }
}

#[test]
fn a_file_of_settings_is_looked_for_where_init_runs_and_has_to_be_plain() {
    let (site, _) = with_files();
    let terraform = site.terraform();
    assert!(has_a_token(
        &site,
        &mut site.command(
            &[],
            &[
                &terraform,
                "-chdir=sub",
                "init",
                "-backend-config=below.tfbackend"
            ]
        )
    ));
    site.refused(
        &mut site.command(&[], &[&terraform, "init", "-backend-config=no-such-file"]),
        1,
        "no such file",
    );
    site.write("odd", "address = \"${ours}\"\n");
    site.refused(
        &mut site.command(&[], &[&terraform, "init", "-backend-config=odd"]),
        1,
        "plain text",
    );
}

#[test]
fn beside_a_generated_file_only_harmless_settings_come_from_files() {
    let site = Site::new();
    site.write("harmless", "retry_max = 3\nskip_cert_verification = true\n")
        .write("address.json", "{\"address\": \"http://elsewhere/\"}");
    let terraform = site.terraform();
    site.ok(&mut site.command(&[], &[&terraform, "init", "-backend-config=harmless"]));
    site.refused(
        &mut site.command(&[], &[&terraform, "init", "-backend-config=address.json"]),
        1,
        "leave it out",
    );
    site.refused(
        site.apply()
            .env("TF_CLI_ARGS_init", "-backend-config=address.json"),
        1,
        "leave it out",
    );
}

/// The programs put `TF_CLI_ARGS` behind `TF_CLI_ARGS_init`, so it holds.
#[test]
fn variables_count_in_the_order_of_the_programs() {
    let site = Site::new();
    site.write("main.tf", PARTIAL);
    let (ours, other) = (
        format!("-backend-config=address={}", site.server.state(STATE)),
        "-backend-config=address=http://127.0.0.1:9/x",
    );
    let terraform = site.terraform();
    let init = |all: &str, own: &str, more: &[&str]| {
        let mut command = site.command(
            &["--transfer", "never"],
            &[&[terraform.as_str(), "init"], more].concat(),
        );
        has_a_token(
            &site,
            command.env("TF_CLI_ARGS", all).env("TF_CLI_ARGS_init", own),
        )
    };
    assert!(init(&ours, other, &[]));
    assert!(!init(other, &ours, &[]));
    assert!(init(other, other, &[&ours]));
    assert!(
        init(&format!("# {ours}"), other, &[]),
        "no comment in Go's words"
    );
    assert!(
        !init(&format!("-upgrade; {ours}"), other, &[]),
        "what stands behind `;` is not seen"
    );
}

/// What `init` was told holds over the block for as long as the block is as it was; only the
/// program knows that.
#[test]
fn what_is_recorded_holds_over_a_placeholder() {
    let site = Site::new();
    let ours = site.server.state(STATE);
    site.write(
        "main.tf",
        "terraform {\n  backend \"http\" {\n    address = \
        \"http://127.0.0.1:9/placeholder\"\n  }\n}\n",
    );
    site.record(&ours);
    let record =
        std::fs::read_to_string(site.path(".terraform/terraform.tfstate")).expect("recorded");
    let answers = |text: &str| {
        let script = SCRIPT.replacen(
            "echo \"$*\" >>\"$seen/calls\"",
            &format!(
                "echo \"$*\" >>\"$seen/calls\"\n[ \"$1\" != workspace ] || {{ echo '{text}'; \
                exit 1; }}"
            ),
            1,
        );
        site.program("terraform", &script);
    };
    answers("workspaces not supported");
    for words in [&["plan"][..], &["apply"], &["init"]] {
        let _ = std::fs::remove_file(site.tool("calls"));
        let terraform = site.terraform();
        site.ok(&mut site.command(&[], &[&[terraform.as_str()], words].concat()));
        assert_eq!(
            site.calls(),
            ["workspace list -no-color".to_owned(), words.join(" ")]
        );
    }
    assert!(
        site.variable("TF_HTTP_PASSWORD")
            .is_some_and(|token| token.starts_with("skt_"))
    );
    answers("Error: Backend initialization required, please run \"terraform init\"");
    site.ok(&mut site.command(&["--transfer", "never"], &[&site.terraform(), "plan"]));
    assert_eq!(
        site.variable("TF_HTTP_PASSWORD"),
        None,
        "the block was changed: it holds"
    );
    answers("no sense");
    let _ = std::fs::remove_file(site.tool("calls"));
    let output = site.apply().output().expect("it runs");
    assert!(
        output.status.code() == Some(1) && stderr(&output).contains("run `init` again"),
        "{}",
        stderr(&output)
    );
    assert_eq!(site.calls(), ["workspace list -no-color"]);
    assert_eq!(
        std::fs::read_to_string(site.path(".terraform/terraform.tfstate")).expect("recorded"),
        record
    );
}

#[test]
fn a_record_that_is_no_object_is_told() {
    let site = Site::new();
    for text in [
        "[]",
        "7",
        "\"x\"",
        "null",
        "true",
        "[{\"backend\": {}}]",
        "",
    ] {
        site.write(".terraform/terraform.tfstate", text);
        site.refused(&mut site.apply(), 1, "no JSON object");
    }
    for text in [
        "{\"backend\": []}",
        "{\"backend\": 3}",
        "{\"backend\": {\"type\": 3, \"config\": []}}",
        "{\"backend\": {\"type\": \"\"}}",
        "{\"backend\": null}",
    ] {
        site.write(".terraform/terraform.tfstate", text);
        site.ok(&mut site.apply());
    }
}

#[test]
fn a_state_that_is_new_is_told_and_a_typo_is_refused() {
    let site = Site::new();
    let said = stderr(&site.ok(&mut site.apply()));
    assert_eq!(
        said.matches("team/net has no state yet").count(),
        1,
        "{said}"
    );
    site.server
        .admin()
        .write("team/nett", crate::samples::tfstate("l2", 1), None)
        .expect_status(200);
    site.record(&site.server.state("team/netw"));
    for words in [&["plan"][..], &["apply"], &["init"], &["validate"]] {
        let terraform = site.terraform();
        site.refused(
            &mut site.command(&[], &[&[terraform.as_str()], words].concat()),
            1,
            "used with team/netw; did you mean team/nett or team/netw?",
        );
    }
    assert!(
        !site.calls().iter().any(|call| call.starts_with("init")),
        "what is recorded stays"
    );
    site.ok(&mut site.command(&["--new"], &[&site.terraform(), "plan"]));
    // By another name of the server.
    site.record(
        &site
            .server
            .state("team/netw")
            .replace("127.0.0.1", "localhost"),
    );
    site.refused(&mut site.apply(), 1, "did you mean team/nett or team/netw?");
    site.server
        .admin()
        .write(STATE, crate::samples::tfstate("l1", 1), None)
        .expect_status(200);
    let said = stderr(&site.ok(&mut site.apply()));
    assert!(!said.contains("no state yet"), "{said}");
}
