//! A person without a mouse: from the sign-in to a rollback with Tab, Enter and Esc, and always
//! seeing where the focus is.

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
