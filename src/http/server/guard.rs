//! A handler that panics, and one whose client goes away.
//!
//! If a handler panics, its client gets an answer. Clients take a connection that is cut for a
//! fault of the network, and try again. If a client goes away, its handler ends.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use crate::http::server::connection::Busy;

/// Why some work has no result.
pub(in crate::http) enum Ended {
    /// It panicked; the log has the message.
    Panicked,
    /// Nobody waits for it any more.
    Gone,
}

/// The result of some work, if the work ends before `gone` does.
pub(in crate::http) async fn guarded<T>(
    work: impl Future<Output = T>,
    gone: impl Future<Output = ()>,
) -> Result<T, Ended> {
    let (mut work, mut gone) = (pin!(work), pin!(gone));
    // A panic drops all that the request holds, and a lock is usable after a panic.
    let poll =
        poll_fn(
            |context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
                Ok(Poll::Ready(done)) => Poll::Ready(Ok(done)),
                Ok(Poll::Pending) => gone.as_mut().poll(context).map(|()| Err(Ended::Gone)),
                Err(_) => Poll::Ready(Err(Ended::Panicked)),
            },
        );
    poll.await
}

/// Waits for the client of a connection to go; for ever where there is none.
pub(in crate::http) async fn gone(busy: Option<&Busy>) {
    match busy {
        Some(busy) => busy.gone().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::StatusCode;
    use actix_web::middleware::from_fn;
    use actix_web::{App, HttpResponse, test, web};

    use crate::http::server::trace::trace;

    async fn panics() -> HttpResponse {
        let nothing: Vec<u8> = std::hint::black_box(Vec::new());
        HttpResponse::Ok().body(nothing[0].to_string())
    }

    #[actix_web::test]
    async fn a_panic_is_an_answer_with_its_request_id() {
        let app = App::new()
            .wrap(from_fn(trace))
            .route("/panics", web::get().to(panics))
            .route("/fine", web::get().to(HttpResponse::Ok));
        let app = test::init_service(app).await;
        for _ in 0..2 {
            let request = test::TestRequest::get()
                .uri("/panics")
                .insert_header(("X-Request-Id", "mine"))
                .to_request();
            let Err(error) = test::try_call_service(&app, request).await else {
                panic!("no error")
            };
            let response = error.error_response();
            assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
            for (name, value) in [
                ("request-id", "mine"),
                ("content-type", "application/problem+json"),
                ("cache-control", "no-store"),
            ] {
                assert_eq!(
                    response
                        .headers()
                        .get(name)
                        .and_then(|value| value.to_str().ok()),
                    Some(value)
                );
            }
        }
        let request = test::TestRequest::get().uri("/fine").to_request();
        assert_eq!(
            test::call_service(&app, request).await.status(),
            StatusCode::OK
        );
    }
}
