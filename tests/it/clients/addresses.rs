//! Addresses that are nearly a state's: the programs must be stopped by their first request, before
//! they make anything.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};

use super::module::{Backend, Module, resources};
use super::{Program, STATE, for_either_program};
use crate::harness::{Server, eventually, tfstate};

for_either_program![
    a_redirect_in_front_fails_at_init,
    a_redirect_that_came_later_fails_before_anything_is_made,
    our_parameters_in_the_address_fail_at_init,
    a_parameter_of_others_goes_along,
    an_address_where_no_state_is_fails_at_init,
];

const CODE_400: &str = "Unexpected HTTP response code 400";

/// Sends each request on to the server by a redirect, as `return 301 https://$host$request_uri`
/// does; its address. Its threads end with the test process.
fn redirecting(server: &Server, status: u16) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let target = server.url().to_owned();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (client, target) = (client.expect("a connection"), target.clone());
            std::thread::spawn(move || redirect(client, status, &target));
        }
    });
    address
}

fn redirect(mut client: TcpStream, status: u16, target: &str) {
    let mut reader = BufReader::new(client.try_clone().expect("a second handle"));
    let (mut first, mut length) = (String::new(), 0);
    let _ = reader.read_line(&mut first);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let _ = std::io::copy(
        &mut std::io::Read::take(reader, length),
        &mut std::io::sink(),
    );
    let path = first.split(' ').nth(1).unwrap_or("/");
    let answer = format!(
        "HTTP/1.1 {status} Elsewhere\r\nLocation: {target}{path}\r\nContent-Length: \
            0\r\nConnection: close\r\n\r\n"
    );
    let _ = client.write_all(answer.as_bytes());
    let _ = client.shutdown(Shutdown::Both);
}

/// Locking and without locks.
fn backends(address: &str) -> [Backend; 2] {
    [Backend::locking(address), Backend::unlocked(address)]
}

fn a_redirect_in_front_fails_at_init(program: &Program) {
    let server = Server::start();
    let key = server.key("team", "writer");
    for status in [301, 302, 303, 307, 308] {
        let address = server
            .state(STATE)
            .replace(server.url(), &redirecting(&server, status));
        for backend in backends(&address) {
            Module::new(program, &key, &backend)
                .write("main.tf", &resources(&["first"]))
                .init()
                .fails()
                .says(CODE_400);
        }
    }
    eventually("a person is told", || {
        !server
            .admin()
            .events("kind=request.redirected&attention=true")
            .is_empty()
    });
    server.admin().expect_never_written(STATE);
    server.admin().expect_unlocked(STATE);
}

/// The state is live, and behind the redirect each request would be answered with 200.
fn a_redirect_that_came_later_fails_before_anything_is_made(program: &Program) {
    let server = Server::start();
    let module = Module::applied(program, &server, &["first"]);
    for status in [301, 302] {
        let address = server
            .state(STATE)
            .replace(server.url(), &redirecting(&server, status));
        for backend in backends(&address) {
            module.add("main.tf", &resources(&["first", "second"]));
            let moved = Module::new(program, &server.key("team", "writer"), &backend)
                .write("main.tf", &resources(&["first", "second"]));
            moved.init().fails().says(CODE_400);
            moved
                .apply()
                .fails()
                .never_says("Creating")
                .never_says("Apply complete");
        }
    }
    assert_eq!(server.admin().versions(STATE).len(), 1);
    server.admin().expect_unlocked(STATE);
    module.apply().ok().says("1 added, 0 changed, 0 destroyed");
}

fn our_parameters_in_the_address_fail_at_init(program: &Program) {
    let server = Server::start();
    for query in ["force=1", "force=true", "ID=mine"] {
        for backend in backends(&format!("{}?{query}", server.state(STATE))) {
            let module = Module::new(program, &server.key("team", "writer"), &backend)
                .write("main.tf", &resources(&["first"]));
            module.init().fails().says(CODE_400);
        }
    }
    // In the addresses of locks alone: locking is refused, and nothing is made.
    for query in ["force=1", "ID=mine"] {
        let locks = format!("{}?{query}", server.state(STATE));
        let backend = Backend::unlocked(&server.state(STATE))
            .set("lock_address", &locks)
            .set("unlock_address", &locks);
        let module = Module::new(program, &server.key("team", "writer"), &backend)
            .ready(&resources(&["first"]));
        module
            .apply()
            .fails()
            .says("Error acquiring the state lock")
            .never_says("Creating");
    }
    // In that of unlocking alone it does no harm: the body's ID counts.
    let unlock = format!("{}?ID=mine", server.state(STATE));
    let backend = Backend::unlocked(&server.state(STATE))
        .set("lock_address", &server.state(STATE))
        .set("unlock_address", &unlock);
    Module::new(program, &server.key("team", "writer"), &backend)
        .ready(&resources(&["first"]))
        .apply()
        .ok();
    server.admin().expect_unlocked(STATE);
}

fn a_parameter_of_others_goes_along(program: &Program) {
    let server = Server::start();
    let address = format!("{}?tenant=a&ref=main", server.state(STATE));
    let module = Module::new(
        program,
        &server.key("team", "writer"),
        &Backend::locking(&address),
    )
    .ready(&resources(&["first"]));
    module.apply().ok().says("1 added, 0 changed, 0 destroyed");
    module.plan().ok().says("No changes.");
    server.admin().expect_unlocked(STATE);
    assert!(server.admin().versions(STATE)[0]["lock"].is_object());
}

/// Without `/api`, with another spelling of it, or behind a proxy that takes it away; by 404 both
/// programs would make everything again.
fn an_address_where_no_state_is_fails_at_init(program: &Program) {
    let server = Server::start();
    server
        .admin()
        .write(
            STATE,
            tfstate("11111111-1111-4111-8111-111111111111", 1),
            None,
        )
        .expect_status(200);
    let below = "terraform/state/workspace/team/buildingblock/app";
    for path in [
        below,
        &format!("API/{below}"),
        &format!("Api/{below}"),
        &format!("prefix/{below}"),
        "workspace/team/buildingblock/app",
        "app",
    ] {
        for backend in backends(&format!("{}/{path}", server.url())) {
            let module = Module::new(program, &server.key("team", "writer"), &backend)
                .write("main.tf", &resources(&["first"]));
            module.init().fails().says(CODE_400);
        }
    }
    assert_eq!(server.admin().versions(STATE).len(), 1);
}
