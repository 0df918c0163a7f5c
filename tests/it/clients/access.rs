//! What a user sees whose key is wrong or may not do this. The clients never show an answer's body:
//! their own words for 401, 403 and the rest are all there is.

use serde_json::json;

use super::module::{Backend, Gate, Module, gated_resource, resources};
use super::{Program, STATE, for_either_program};
use crate::harness::{Client, Server, state_path};
use crate::trusts::issuer::Issuer;

for_either_program![
    a_wrong_key_is_told_that_it_needs_auth,
    a_revoked_key_is_told_that_it_needs_auth,
    a_key_of_another_workspace_is_told_that_it_is_the_wrong_one,
    a_key_of_another_building_block_is_told_that_it_is_the_wrong_one,
    a_reader_plans_without_a_lock_and_changes_nothing,
    a_planner_plans_and_its_apply_makes_nothing,
    a_runs_token_is_a_password,
    an_id_token_is_a_password,
    a_key_rotated_with_grace_does_not_disturb_a_running_apply,
    a_mistyped_address_is_not_an_empty_state,
    a_moved_state_is_not_an_empty_state,
    a_state_that_has_left_is_not_an_empty_state,
];

/// The clients' words for 401.
const NEEDS_AUTH: &str = "HTTP remote state endpoint requires auth";
/// The clients' words for 403.
const INVALID_AUTH: &str = "HTTP remote state endpoint invalid auth";

fn a_wrong_key_is_told_that_it_needs_auth(program: &Program) {
    let server = Server::start();
    fresh(program, &server, &server.with("skp_nobodys"))
        .init()
        .fails()
        .says(NEEDS_AUTH);
    // Right in every letter but the last, which is the checksum's.
    let key = server.key("team", "writer");
    let (last, secret) = (key.secret().chars().last(), key.secret());
    let typo = format!(
        "{}{}",
        &secret[..secret.len() - 1],
        if last == Some('0') { '1' } else { '0' }
    );
    fresh(program, &server, &server.with(&typo))
        .init()
        .fails()
        .says(NEEDS_AUTH);
    fresh(program, &server, &key).init().ok();
}

fn a_revoked_key_is_told_that_it_needs_auth(program: &Program) {
    let server = Server::start();
    let (admin, writer) = (server.admin(), server.key("team", "writer"));
    let module = fresh(program, &server, &writer).ready(&resources(&["first"]));
    module.apply().ok();

    admin
        .send("DELETE", &format!("/api/keys/{}", writer.key_id), "")
        .expect_status(200);

    module.plan().fails().says(NEEDS_AUTH);
    module.write("main.tf", "").apply().fails().says(NEEDS_AUTH);
    assert_eq!(admin.versions(STATE).len(), 1);
}

fn a_key_of_another_workspace_is_told_that_it_is_the_wrong_one(program: &Program) {
    let server = Server::start();
    let stranger = server.key("others", "owner");
    // The same words for a state that exists and for one that does not.
    fresh(program, &server, &stranger)
        .init()
        .fails()
        .says(INVALID_AUTH);
    Module::applied(program, &server, &["first"]);
    fresh(program, &server, &stranger)
        .init()
        .fails()
        .says(INVALID_AUTH);
}

fn a_key_of_another_building_block_is_told_that_it_is_the_wrong_one(program: &Program) {
    let server = Server::start();
    let neighbour = server.key("team/database", "owner");
    fresh(program, &server, &neighbour)
        .init()
        .fails()
        .says(INVALID_AUTH);
    let own = Backend::locking(&server.state("team/database"));
    Module::new(program, &neighbour, &own)
        .ready(&resources(&["first"]))
        .apply()
        .ok();
}

fn a_reader_plans_without_a_lock_and_changes_nothing(program: &Program) {
    let server = Server::start();
    Module::applied(program, &server, &["first"]);
    let module = fresh(program, &server, &server.key("team", "reader"))
        .ready(&resources(&["first", "second"]));

    module
        .plan()
        .fails()
        .says("Error acquiring the state lock")
        .says(INVALID_AUTH);
    module
        .run(&["plan", "-input=false", "-lock=false"])
        .ok()
        .says("1 to add, 0 to change, 0 to destroy");
    module
        .start_apply(&["-lock=false"])
        .wait()
        .fails()
        .says("Failed to save state")
        .says("HTTP error: 403");

    expect_one_version(&server);
}

fn a_planner_plans_and_its_apply_makes_nothing(program: &Program) {
    let server = Server::start();
    Module::applied(program, &server, &["first"]);
    let planner = server.key("team", "planner");
    let module = fresh(program, &server, &planner).ready(&resources(&["first", "second"]));

    module
        .plan()
        .ok()
        .says("1 to add, 0 to change, 0 to destroy");
    server.admin().expect_unlocked(STATE);
    // It is refused before it makes anything.
    module
        .apply()
        .fails()
        .says("Error acquiring the state lock")
        .says("endpoint invalid auth")
        .never_says("Creating");
    for command in [
        &["state", "rm", "terraform_data.first"] as &[&str],
        &["taint", "terraform_data.first"],
        &["refresh"],
    ] {
        module
            .run(command)
            .fails()
            .says("Error acquiring the state lock");
    }
    expect_one_version(&server);
    server.admin().expect_unlocked(STATE);

    // Without locks it is too late for that: what it made is kept, for a person.
    module
        .start_apply(&["-lock=false"])
        .wait()
        .fails()
        .says("Failed to save state")
        .says("HTTP error: 403");
    let versions = server.admin().versions(STATE);
    assert_eq!(
        (&versions[0]["rejected"], &versions[1]["current"]),
        (&json!("forbidden"), &json!(true)),
        "{versions:?}"
    );
    assert_eq!(
        server
            .admin()
            .events("kind=state.write_rejected&attention=true")
            .len(),
        1
    );
    let rollback = format!("{}/rollback", state_path(STATE));
    server
        .key("team", "writer")
        .post_json(&rollback, &json!({"version": versions[0]["number"]}))
        .expect_status(200);
    module.plan().ok().says("No changes.");
}

/// What meshStack's runner sends: the user `x`, and as password a token that was made for this one
/// run.
fn a_runs_token_is_a_password(program: &Program) {
    let server = Server::start();
    let (admin, key) = (server.admin(), server.key("team", "writer"));
    let login = json!({
        "clientId": key.key_id, "clientSecret": key.secret(), "workspace": "team",
        "buildingBlock": "app"
    });
    let token = server
        .anonymous()
        .post_json("/api/login", &login)
        .expect_status(200)
        .json();
    let run = server.with(token["access_token"].as_str().expect("a token"));

    let module = fresh(program, &server, &run).ready(&resources(&["first"]));
    module.apply().ok();

    let versions = admin.versions(STATE);
    assert_eq!(
        versions[0]["created_by"]["id"],
        key.key_id.as_str(),
        "a token counts as its key: {versions:?}"
    );
    admin.expect_unlocked(STATE);
    let elsewhere = Backend::locking(&server.state("team/database"));
    Module::new(program, &run, &elsewhere)
        .init()
        .fails()
        .says(INVALID_AUTH);
}

fn an_id_token_is_a_password(program: &Program) {
    let (server, issuer) = (Server::start(), Issuer::new());
    let mut trust = issuer.trust("gitlab");
    trust["workspace"] = json!("team");
    let made = server.admin().post_json("/api/trusts", &trust);
    let trust = made.expect_status(201).json();
    let by = server.with(&issuer.token(&json!({})));
    let module = fresh(program, &server, &by).ready(&resources(&["first"]));
    module.apply().ok();
    let admin = server.admin();
    admin.expect_unlocked(STATE);
    let versions = admin.get(&format!("{}/versions", state_path(STATE))).json();
    assert_eq!(versions["versions"][0]["created_by"]["id"], trust["id"]);

    let other = server.with(&issuer.token(&json!({"ref_protected": "false"})));
    fresh(program, &server, &other)
        .init()
        .fails()
        .says(NEEDS_AUTH);
}

fn a_key_rotated_with_grace_does_not_disturb_a_running_apply(program: &Program) {
    let server = Server::start();
    let (admin, key) = (server.admin(), server.key("team", "writer"));
    let module = fresh(program, &server, &key).ready(&gated_resource("slow"));
    let gate = Gate::close(&module, "slow");
    let mut apply = module.start_apply(&[]);
    gate.wait_for(&mut apply);

    let rotated = admin
        .post_json(
            &format!("/api/keys/{}/rotate", key.key_id),
            &json!({"grace": 600}),
        )
        .expect_status(200)
        .json();
    gate.open();

    apply.wait().ok();
    admin.expect_unlocked(STATE);
    let module = module.with_key(&server.with(rotated["secret"].as_str().expect("a secret")));
    module.plan().ok().says("No changes.");
}

/// The clients take 404 for 'no state yet' and would make everything again.
fn a_mistyped_address_is_not_an_empty_state(program: &Program) {
    let server = Server::start();
    for path in [
        "/api/terraform/state/workspaces/team/buildingblock/app",
        "/api/terraform/state/workspace/team/buildingblock/-app",
    ] {
        let address = format!("{}{path}", server.url());
        Module::new(program, &server.admin(), &Backend::locking(&address))
            .init()
            .fails()
            .says("Unexpected HTTP response code 400");
    }
}

fn a_moved_state_is_not_an_empty_state(program: &Program) {
    let server = Server::start();
    let module = Module::applied(program, &server, &["first"]);
    let to = json!({"workspace": "team", "buildingBlock": "moved"});
    server
        .admin()
        .post_json(&format!("{}/move", state_path(STATE)), &to)
        .expect_status(200);

    module
        .plan()
        .fails()
        .says("Unexpected HTTP response code 410");
    module.apply().fails().never_says("to add");

    let module = fresh_at(
        program,
        &server,
        &server.key("team", "writer"),
        "team/moved",
    )
    .ready(&resources(&["first"]));
    module.plan().ok().says("No changes.");
}

fn a_state_that_has_left_is_not_an_empty_state(program: &Program) {
    let server = Server::start();
    let module = Module::applied(program, &server, &["first"]);
    let (admin, transfer) = (server.admin(), format!("{}/transfer", state_path(STATE)));
    let begun = admin
        .post_json(&transfer, &json!({"to": "s3://there"}))
        .expect_status(200)
        .json();
    module
        .plan()
        .fails()
        .says(begun["lock"].as_str().expect("an ID"));
    admin
        .post_json(
            &format!("{transfer}/done"),
            &json!({"version": begun["version"]}),
        )
        .expect_status(200);

    module
        .plan()
        .fails()
        .says("Unexpected HTTP response code 410");
    module.apply().fails().never_says("to add");
    expect_one_version(&server);
}

/// A module that is not initialised yet, with a locking backend at [`STATE`].
fn fresh<'a>(program: &'a Program, server: &Server, key: &Client) -> Module<'a> {
    fresh_at(program, server, key, STATE)
}

fn fresh_at<'a>(program: &'a Program, server: &Server, key: &Client, state: &str) -> Module<'a> {
    Module::new(program, key, &Backend::locking(&server.state(state)))
}

#[track_caller]
fn expect_one_version(server: &Server) {
    let versions = server.admin().versions(STATE);
    assert_eq!(versions.len(), 1, "{versions:?}");
}
