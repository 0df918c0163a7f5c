//! A freeze whose row is damaged: nothing is written past it, and a person who may freeze lifts it.

use serde_json::json;

use super::{Copy, OTHER, World, edit};
use crate::harness::{Setup, state_path, tfstate};

/// Damage to the freeze of `team/other`: a changed row, a lost row, and one that moved to another
/// address.
const DAMAGE: [&str; 3] = [
    "UPDATE freezes SET reason = 'another' WHERE building_block = 'other';",
    "DELETE FROM freezes WHERE building_block = 'other';",
    "UPDATE freezes SET building_block = 'othes' WHERE building_block = 'other';",
];

#[test]
fn a_damaged_freeze_is_lifted_and_a_person_is_told() {
    let world = World::new();
    let data = world.data();
    {
        let server = Setup::new().data(&data).start();
        let path = format!("{}/freeze", state_path("team/other"));
        server
            .admin()
            .post_json(&path, &json!({ "reason": "audit" }))
            .expect_status(200);
        assert!(server.stop().success());
    }
    for statement in DAMAGE {
        let copy = Copy::of(&world);
        edit(&copy.data, statement);
        let server = Setup::new().data(&copy.data).start();
        let admin = server.admin();
        let next = tfstate(OTHER, 2);
        admin
            .write("team/other", next.clone(), None)
            .expect_problem(500, "damaged");
        let done = server.cli(&["state", "unfreeze", "team/other"]);
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(
            done.status.success() && told.contains("was damaged"),
            "{statement}: {told}"
        );
        let events = admin.events("kind=state.unfreeze&attention=true");
        assert!(events[0]["detail"]["damaged"].is_string(), "{events:?}");
        admin.write("team/other", next, None).expect_status(200);
        let again = server.cli(&["state", "unfreeze", "team/other"]);
        let told = String::from_utf8_lossy(&again.stderr).into_owned();
        assert!(told.contains("was not frozen"), "{told}");
        if statement.contains("othes") {
            let path = format!("{}/freeze", state_path("team/othes"));
            admin.send("DELETE", &path, "").expect_status(200);
        }
        let verified = admin.post_json("/api/verify", &json!({})).json();
        assert_eq!(verified["found"], 0, "{statement}: {verified}");
    }
}
