//! Where a request came from, carried beside it as a span of the log is: for the audit chain.
//!
//! No operation takes it as a parameter and none decides by it. It is set where a request comes in
//! ([`from`]) and read where an entry is written; what is written on the store's own threads takes
//! it along ([`taken_along`]). Work that no request began has none.

use domain::audit::Origin;
use std::cell::RefCell;

/// Longest address or request name that is kept, in characters.
const TEXT_CHARS_MAX: usize = 64;

/// The other end of a connection, and the name of a request.
#[derive(Debug, Clone, Default)]
pub struct Whence {
    /// The address, without its port.
    pub address: Option<String>,
    /// The request, as the server's log names it.
    pub request_id: Option<String>,
}

tokio::task_local! {
    static REQUEST: Whence;
}

thread_local! {
    static WRITING: RefCell<Option<Whence>> = const { RefCell::new(None) };
}

/// Runs the answer to a request: entries that it writes say whence it came.
pub fn from<F: Future>(whence: Whence, answer: F) -> impl Future<Output = F::Output> {
    REQUEST.scope(whence, answer)
}

fn whence() -> Whence {
    let writing = WRITING.with_borrow(Clone::clone);
    writing
        .or_else(|| REQUEST.try_with(Clone::clone).ok())
        .unwrap_or_default()
}

/// The origin of an entry that is written now.
pub(crate) fn here(client: &str, key_id: Option<&domain::KeyId>) -> Origin {
    let kept = |text: String| text.chars().take(TEXT_CHARS_MAX).collect();
    let whence = whence();
    Origin {
        client: client.to_owned(),
        key_id: key_id.cloned(),
        address: whence.address.map(kept),
        request_id: whence.request_id.map(kept),
    }
}

/// The same work, knowing on whatever thread it runs whence the request came that asked for it.
pub(crate) fn taken_along<T>(
    work: impl Fn(&mut store::Tx<'_>) -> T,
) -> impl Fn(&mut store::Tx<'_>) -> T {
    let carried = REQUEST.try_with(Clone::clone).ok();
    move |tx| {
        let before = WRITING.replace(carried.clone());
        let _put_back = PutBack(before);
        work(tx)
    }
}

/// Puts back what the thread wrote for before, even if the work panics.
struct PutBack(Option<Whence>);

impl Drop for PutBack {
    fn drop(&mut self) {
        WRITING.set(self.0.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_entry_knows_its_request_and_no_other() {
        assert_eq!(here("c", None).request_id, None);
        let whence = Whence {
            address: Some("203.0.113.9".into()),
            request_id: Some("req_1".into()),
        };
        let seen = from(whence, async { here("c", None) }).await;
        assert_eq!(seen.address.as_deref(), Some("203.0.113.9"));
        assert_eq!(seen.request_id.as_deref(), Some("req_1"));
        assert_eq!(here("c", None).request_id, None);
    }
}
