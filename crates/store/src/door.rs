//! Opening a store, and the only two ways into it: a read and a write.
//!
//! Statements are synchronous and run on the store's own threads (`threads.rs`): a transaction
//! never waits for anything but the database.

use crate::inline::{For, Inline, Watcher};
use crate::notices::{self, Outlet};
use crate::threads::{self, Item, Look, Message, Work};
use crate::{Error, Notice, Reader, Tx};
use futures_util::future::{BoxFuture, FutureExt as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::{mpsc, oneshot};

/// Where a database is.
#[derive(Clone, PartialEq, Eq)]
pub enum Location {
    /// An SQLite file; made, readable by its owner alone, where it is missing.
    File(PathBuf),
    /// An SQLite database that is gone when the store is dropped.
    Memory,
    /// `postgres://user:password@host:port/database`, with `?sslmode=require` for TLS.
    Postgres(String),
}

/// Writers that may be queued before the next must wait.
const WRITES_QUEUED_MAX: usize = 1_024;

/// Readers that may be queued before the next must wait.
const READS_QUEUED_MAX: usize = 1_024;

/// Connections that read.
const READERS: usize = 4;

/// An open database. Cloning it is cheap; all clones share its connections.
#[derive(Clone)]
pub struct Store {
    location: Arc<Location>,
    outlet: Arc<Outlet>,
    /// Counts what was written about people.
    people: Arc<AtomicU64>,
    way: Way,
}

/// How its transactions are run.
#[derive(Clone)]
enum Way {
    /// On threads of its own.
    Threads(Queues),
    /// On the thread that asks.
    Inline(Inline),
}

#[derive(Clone)]
struct Queues {
    writes: mpsc::Sender<Message<dyn Work>>,
    /// None where only the writing connection sees the database: in memory.
    reads: Option<mpsc::Sender<Message<dyn Look>>>,
}

impl Store {
    /// Connects, and brings the schema up to date.
    ///
    /// # Errors
    /// Every way a database can refuse: see [`Error`]. Nothing is changed by a refusal.
    #[must_use]
    pub fn open(location: Location) -> BoxFuture<'static, Result<Self, Error>> {
        async move {
            let outlet = Arc::new(Outlet::new());
            let location = Arc::new(location);
            let (writes, write_queue) = mpsc::channel(WRITES_QUEUED_MAX);
            let (ready, opened) = oneshot::channel();
            let (place, told) = (Arc::clone(&location), Arc::clone(&outlet));
            thread("store-writer", move || {
                threads::writer(place, write_queue, ready, &told);
                told.close();
            })?;
            opened.await.map_err(|_| Error::Closed)??;
            if matches!(*location, Location::Postgres(_)) {
                let (place, told) = (Arc::clone(&location), Arc::clone(&outlet));
                thread("store-teller", move || notices::teller(&place, &told))?;
            }
            let reads = if matches!(*location, Location::Memory) {
                None
            } else {
                let (reads, read_queue) = mpsc::channel(READS_QUEUED_MAX);
                let read_queue = Arc::new(Mutex::new(read_queue));
                for _ in 0..READERS {
                    let (place, queue) = (Arc::clone(&location), Arc::clone(&read_queue));
                    thread("store-reader", move || threads::reader(place, queue))?;
                }
                Some(reads)
            };
            Ok(Self {
                location,
                outlet,
                people: Arc::default(),
                way: Way::Threads(Queues { writes, reads }),
            })
        }
        .boxed()
    }

    /// A new database in memory, used on the thread that asks; see [`Watcher`].
    ///
    /// # Errors
    /// Those of the database.
    pub fn inline(watcher: Watcher) -> Result<Self, Error> {
        let outlet = Arc::new(Outlet::new());
        Ok(Self {
            location: Arc::new(Location::Memory),
            way: Way::Inline(Inline::open(watcher, Arc::clone(&outlet))?),
            outlet,
            people: Arc::default(),
        })
    }

    /// The same database under another watcher, if it is one that is used inline.
    #[must_use]
    pub fn inline_again(&self, watcher: Watcher) -> Option<Self> {
        match &self.way {
            Way::Threads(_) => None,
            Way::Inline(inline) => Some(Self {
                way: Way::Inline(inline.watched_by(watcher)),
                ..self.clone()
            }),
        }
    }

    /// Runs a function in a transaction that may write, and answers once it is durable. If the
    /// function fails, nothing it did remains. It may be run more than once, so it changes nothing
    /// but the database. Once queued it runs to its end, even if the future is dropped.
    ///
    /// # Errors
    /// The function's own, or the database's.
    pub fn write<T, E>(
        &self,
        run: impl Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, E>>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let touched = Arc::new(AtomicBool::new(false));
        let run = {
            let (people, touched) = (Arc::clone(&self.people), Arc::clone(&touched));
            move |tx: &mut Tx<'_>| {
                let done = run(tx);
                if tx.touches_people() {
                    people.fetch_add(1, Ordering::SeqCst);
                    touched.store(true, Ordering::SeqCst);
                }
                done
            }
        };
        let written = match &self.way {
            Way::Threads(queues) => {
                let (reply, answer) = oneshot::channel();
                let work: Box<dyn Work> = Box::new(Item {
                    run,
                    result: None,
                    reply,
                });
                submit(queues.writes.clone(), work, answer)
            }
            Way::Inline(inline) => inline.run(For::Writing, run),
        };
        let people = Arc::clone(&self.people);
        Box::pin(async move {
            let written = written.await;
            // Again, now that it is durable: whoever read in between saw what was before.
            if touched.load(Ordering::SeqCst) {
                people.fetch_add(1, Ordering::SeqCst);
            }
            written
        })
    }

    /// A number that is another after every write of this process that changed who may come in or
    /// what they may do: members, keys, grants, tokens. What was read before it changed is not to be
    /// relied on.
    #[must_use]
    pub fn people_version(&self) -> u64 {
        self.people.load(Ordering::SeqCst)
    }

    /// Runs a function that reads one state of the database, everything committed before included.
    ///
    /// # Errors
    /// The function's own, or the database's.
    pub fn read<T, E>(
        &self,
        run: impl Fn(&mut Reader<'_>) -> Result<T, E> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, E>>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let queues = match &self.way {
            Way::Threads(queues) => queues,
            Way::Inline(inline) => return inline.run(For::Reading, move |tx| run(tx)),
        };
        let Some(reads) = &queues.reads else {
            return self.write(move |tx| run(tx));
        };
        let (reply, answer) = oneshot::channel();
        let look: Box<dyn Look> = Box::new(Item {
            run,
            result: None,
            reply,
        });
        submit(reads.clone(), look, answer)
    }

    /// `sqlite` or `postgres`, to show.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match *self.location {
            Location::File(_) | Location::Memory => "sqlite",
            Location::Postgres(_) => "postgres",
        }
    }

    /// Whether other servers may be at work on the same database.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        matches!(*self.location, Location::Postgres(_))
    }

    /// Begins to hear what other servers tell to look at again, from now on: first of all to look at
    /// everything. Nothing is heard where there can be no other.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn listen(&self) -> Result<mpsc::Receiver<Notice>, Error> {
        notices::listen(Arc::clone(&self.location), Arc::clone(&self.outlet))
    }

    /// Whether what other servers tell reaches this one now.
    #[must_use]
    pub fn is_listening(&self) -> bool {
        self.outlet.listening.load(Ordering::Relaxed)
    }

    /// Says how many other servers are to be told what is written here. At first nobody is.
    pub fn tell_others(&self, count: u64) {
        self.outlet.set_others(count);
    }

    /// Finishes everything queued and closes every connection. Whatever comes later is refused with
    /// [`Error::Closed`].
    #[must_use]
    pub fn close(&self) -> BoxFuture<'static, ()> {
        let way = self.way.clone();
        async move {
            let Way::Threads(Queues { writes, reads }) = way else {
                return;
            };
            if let Some(reads) = reads {
                for _ in 0..READERS {
                    // An error says that the readers have gone, which is what was wanted.
                    let _ = reads.send(Message::Stop).await;
                }
                reads.closed().await;
            }
            let _ = writes.send(Message::Stop).await;
            writes.closed().await;
        }
        .boxed()
    }
}

fn submit<Q: ?Sized + Send + 'static, T: Send + 'static, E: From<Error> + Send + 'static>(
    queue: mpsc::Sender<Message<Q>>,
    item: Box<Q>,
    answer: oneshot::Receiver<Result<T, E>>,
) -> BoxFuture<'static, Result<T, E>> {
    async move {
        queue
            .send(Message::Do(item))
            .await
            .map_err(|_| Error::Closed)?;
        answer.await.unwrap_or_else(|_| Err(Error::Closed.into()))
    }
    .boxed()
}

pub(crate) fn thread(name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .map(|_| ())
        .map_err(|e| Error::Internal(format!("a thread cannot be started: {e}")))
}
