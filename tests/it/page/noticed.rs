//! Controls: a visitor notices what no page of ours may do. Without them a browser whose logs are
//! silent would pass for a page that is quiet.

use super::stub::Stub;
use super::visitor::Visitor;

#[test]
fn a_visitor_notices_what_a_page_must_not_do() {
    let quiet = "<title>x</title><p>nothing</p>";
    for (document, complaint) in [
        (
            "<script>document.title = 'ran'</script>",
            "Content Security Policy",
        ),
        ("<p style='color: red'>red</p>", "Content Security Policy"),
        ("<img src='missing.png' alt=''>", "missing.png"),
    ] {
        let page = Stub::document(&format!("{quiet}{document}</html>"));
        let Some(visitor) = Visitor::at_url(&page.url()) else {
            return;
        };
        visitor.open("/");
        visitor.until("the browser complains", || {
            visitor
                .complaints()
                .iter()
                .any(|told| told.contains(complaint))
        });
    }
    let elsewhere = Stub::stranger("<img src='http://127.0.0.2:9/x.png' alt=''></html>");
    let Some(visitor) = Visitor::at_url(&elsewhere.url()) else {
        return;
    };
    visitor.open("/");
    visitor.until("the request to another host is told", || {
        visitor
            .complaints()
            .iter()
            .any(|told| told.contains("127.0.0.2"))
    });
}

#[test]
fn a_visitor_notices_what_keeps_people_out() {
    let page = Stub::stranger(
        "<img src='data:,'><input><p style='color: #ddd; background: #eee'>hardly seen</p>\
         <p style='width: 2000px'>wide</p></html>",
    );
    let Some(visitor) = Visitor::at_url(&page.url()) else {
        return;
    };
    visitor.open("/");
    let found = visitor.axe();
    for rule in ["image-alt", "label", "color-contrast", "html-has-lang"] {
        let is_found = found.iter().any(|told| told.starts_with(rule));
        assert!(is_found, "{rule}: {found:?}");
    }
    assert_ne!(visitor.too_wide(), Vec::<String>::new());
}
