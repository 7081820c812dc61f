//! The router as hyper calls it, with the connection's seat told from a request's arrival to its answer's last byte.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::ConnectInfo,
    http::Request,
};
use hyper::{
    body::{Body as HttpBody, Frame, Incoming, SizeHint},
    service::{HttpService, Service, service_fn},
};
use hyper_util::service::TowerToHyperService;

use super::seat::{Answering, Seat};

/// Answers with `router` for the connection of `seat`, which `peer` has opened.
pub(crate) fn service(
    router: Router,
    seat: Arc<Seat>,
    peer: SocketAddr,
) -> impl HttpService<Incoming, ResBody = Answer, Error = Infallible, Future: Send> {
    let router = TowerToHyperService::new(router);
    service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        let answering = seat.answer();
        let answer = router.call(request);
        async move {
            let Ok(response) = answer.await;
            Ok::<_, Infallible>(response.map(|body| Answer { body, _answering: answering }))
        }
    })
}

/// An answer's body.
#[derive(Debug)]
pub(crate) struct Answer {
    body: Body,
    _answering: Answering,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
