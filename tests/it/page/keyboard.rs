//! A person without a mouse: from the sign-in to a rollback, a freeze and a search, and always
//! seeing where the focus is.

use super::find::index_follows;
use super::story::{self, STATE, view};
use super::visitor::Visitor;
use crate::harness::Server;

#[test]
fn a_rollback_needs_no_mouse() {
    let server = Server::start();
    story::tell(&server);
    let Some(visitor) = Visitor::at(&server) else {
        return;
    };
    let admin = server.admin();
    visitor.open("/");
    visitor.tab_to("Secret of an API key");
    visitor.type_text(admin.secret());
    visitor.press(ENTER);
    visitor.is_soon_offered("button", "Sign out");
    visitor.open(&view(""));
    visitor.is_soon_offered("link", "Roll back to version 1");
    visitor.tab_to("Roll back to version 1");
    visitor.press(ENTER);
    visitor.sees("The new version has the serial 6");
    visitor.tab_to("Roll back to version 1…");
    visitor.press(ENTER);
    visitor.is_soon_offered("button", "Cancel");
    visitor.press(ESCAPE);
    visitor.until("Esc closes the window and gives the focus back", || {
        visitor.focused() == "Roll back to version 1…"
    });
    visitor.press(ENTER);
    visitor.tab_to("Type 1 to confirm");
    visitor.type_text("1");
    visitor.press(ENTER);
    visitor.sees("Version 6 is current now.");
    assert_eq!(server.admin().count_versions(STATE), 6);
    visitor.was_quiet();
}

/// WebDriver's names for the keys.
const ENTER: &str = "\u{e007}";
const ESCAPE: &str = "\u{e00c}";

#[test]
#[ignore = "middle tier: a rollback needs none either"]
fn a_freeze_and_a_search_need_no_mouse() {
    let server = Server::start();
    story::tell(&server);
    let Some(visitor) = Visitor::signed_in(&server, &server.key("team", "owner")) else {
        return;
    };
    visitor.open(&view(""));
    visitor.is_soon_offered("button", "Freeze the state…");
    visitor.tab_to("Freeze the state…");
    visitor.press(ENTER);
    visitor.until("the reason can be typed at once", || {
        visitor.focused() == "Why it is frozen"
    });
    visitor.press(ESCAPE);
    visitor.until("Esc closes the window and gives the focus back", || {
        visitor.focused() == "Freeze the state…"
    });
    visitor.press(ENTER);
    visitor.type_text("audit");
    visitor.press(ENTER);
    visitor.sees("The state is frozen: nothing changes it.");

    index_follows(&server.admin());
    visitor.press("/");
    visitor.is_soon_offered("field", "Find a resource");
    visitor.type_text("cloud_machine.new");
    visitor.sees("1 found in 1 state.");
    visitor.tab_to("cloud_machine.new");
    visitor.press(ENTER);
    visitor.sees("Needed by 1");
    visitor.tab_to("Since when? size");
    visitor.press(ENTER);
    visitor.sees("History of size");
    visitor.was_quiet();
}

#[test]
#[ignore = "middle tier: a rollback needs none either"]
fn a_webhook_needs_no_mouse() {
    let server = Server::start();
    let Some(visitor) = Visitor::signed_in(&server, &server.admin()) else {
        return;
    };
    visitor.open("/#/hooks");
    visitor.is_soon_offered("button", "Create a webhook");
    visitor.tab_to("Create a webhook");
    visitor.press(ENTER);
    visitor.until("the address can be typed at once", || {
        visitor.focused() == "Address that is told"
    });
    visitor.type_text("https://receiver.example/hook");
    visitor.press(ENTER);
    visitor.sees("The secret is shown this once.");
    visitor.tab_to("I have stored it");
    visitor.press(ENTER);
    visitor.sees("1 webhook");
    visitor.tab_to("https://receiver.example/hook");
    visitor.press(ENTER);
    visitor.is_soon_offered("button", "Delete…");
    visitor.tab_to("Delete…");
    visitor.press(ENTER);
    visitor.is_soon_offered("button", "Cancel");
    visitor.press(ESCAPE);
    visitor.until("Esc closes the window and gives the focus back", || {
        visitor.focused() == "Delete…"
    });
    visitor.was_quiet();
}
