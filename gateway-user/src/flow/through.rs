//! A reply body that is not inspected: control paths, media, and what warn mode lets pass. Counted, never changed.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::{body::BrokenOff, flow::Flow, services::Services, silence::Silence};
use crate::{audit::Verdict, upstream::Lease};

/// A body passed on as it comes.
pub struct Through {
    services: Arc<Services>,
    /// What was read of it before; empty once it is sent.
    head: Bytes,
    body: Incoming,
    flow: Option<Flow>,
    lease: Option<Lease>,
    verdict: Verdict,
    reason: Option<String>,
    silence: Silence,
}

impl Through {
    /// Passes `head` and then `body` on; `flow` is recorded with `verdict` and `lease` handed back when it ends.
    pub fn new(
        services: Arc<Services>,
        (head, body): (Bytes, Incoming),
        flow: Flow,
        lease: Lease,
        verdict: Verdict,
        reason: Option<String>,
    ) -> Self {
        let silence = Silence::new(services.config.limits.idle);
        Through { services, head, body, flow: Some(flow), lease: Some(lease), verdict, reason, silence }
    }

    /// Whether nothing follows. A body that was empty from the start is never polled, so it ends here.
    pub fn is_end(&self) -> bool {
        self.flow.is_none()
    }

    /// The length, where upstream announced one.
    pub fn size_hint(&self) -> SizeHint {
        match self.body.size_hint().exact() {
            Some(rest) => SizeHint::with_exact(rest + self.head.len() as u64),
            None => SizeHint::default(),
        }
    }

    /// The next piece.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        if !self.head.is_empty() {
            let head = std::mem::take(&mut self.head);
            if let Some(flow) = self.flow.as_mut() {
                flow.first_byte();
                flow.bytes(0, head.len() as u64);
            }
            return Poll::Ready(Some(Ok(Frame::data(head))));
        }
        let next = match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(next) => next,
            Poll::Pending => {
                ready!(self.silence.poll(context));
                let why = "upstream went silent in the middle of its answer";
                if let Some(mut flow) = self.flow.take() {
                    flow.end(Verdict::Failed, Some(why));
                }
                return Poll::Ready(Some(Err(BrokenOff(why.to_owned()))));
            }
        };
        self.silence.heard(Instant::now());
        match &next {
            Some(Ok(frame)) => {
                if let (Some(flow), Some(data)) = (self.flow.as_mut(), frame.data_ref()) {
                    flow.first_byte();
                    flow.bytes(0, data.len() as u64);
                }
                // A body of announced length is not polled again after its last byte.
                if self.body.is_end_stream() {
                    self.finish();
                }
            }
            Some(Err(error)) => {
                if let Some(mut flow) = self.flow.take() {
                    flow.end(Verdict::Failed, Some(&format!("upstream broke off its answer: {error}")));
                }
            }
            None => self.finish(),
        }
        Poll::Ready(next.map(|frame| frame.map_err(|error| BrokenOff(error.to_string()))))
    }

    fn finish(&mut self) {
        if let Some(lease) = self.lease.take() {
            self.services.pool.give_back(lease);
        }
        if let Some(mut flow) = self.flow.take() {
            flow.end(self.verdict, self.reason.as_deref());
        }
    }
}
