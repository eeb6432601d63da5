//! The threads that own the connections: one that writes, a few that read.
//!
//! The writer takes what is queued, runs it in one transaction and commits once (group commit):
//! it never waits for company. Each writer of a group has its own savepoint, so a failure undoes
//! that part alone. No answer leaves before its commit is durable.

use crate::appended::Appended;
use crate::db::{Connection, Control, Reader, Tx, postgres::Postgres, sqlite::Sqlite};
use crate::notices::Outlet;
use crate::{Error, Location, migrate, points};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Writers that may share one commit.
const GROUP_MAX: usize = 128;

/// How often a writer is run again after it met another server's transaction.
const ATTEMPTS_MAX: u32 = 5;

/// How long a failed attempt to connect answers everybody, before the next attempt.
const RECONNECT_PAUSE: Duration = Duration::from_millis(500);

/// Something to be run in a transaction, which keeps its own answer until the commit.
pub(crate) trait Work: Send {
    /// Runs it; false if it wants to be undone.
    fn write(&mut self, tx: &mut Tx<'_>) -> bool;
    /// Replaces its answer by an error of the database.
    fn fail(&mut self, error: Error);
    /// Whether it has an answer of its own that is an error.
    fn has_failed(&self) -> bool;
    /// Sends its answer.
    fn answer(self: Box<Self>);
}

/// Something to be run on a reading connection.
pub(crate) trait Look: Send {
    fn read(&mut self, reader: &mut Reader<'_>);
    fn fail(&mut self, error: Error);
    fn answer(self: Box<Self>);
}

/// What a thread takes from its queue.
pub(crate) enum Message<T: ?Sized> {
    Do(Box<T>),
    Stop,
}

/// A [`Work`] or [`Look`] made of a function.
pub(crate) struct Item<F, T, E> {
    pub(crate) run: F,
    pub(crate) result: Option<Result<T, E>>,
    pub(crate) reply: oneshot::Sender<Result<T, E>>,
}

impl<F, T, E: From<Error>> Item<F, T, E> {
    fn send(self) {
        if let Some(result) = self.result {
            // Whoever asked may have gone; what is durable stays so.
            let _ = self.reply.send(result);
        }
    }

    fn keep(&mut self, run: impl FnOnce(&F) -> Result<T, E>) {
        self.result = Some(
            catch_unwind(AssertUnwindSafe(|| run(&self.run))).unwrap_or_else(|_| {
                Err(Error::Internal("it panicked; the log has the place".to_owned()).into())
            }),
        );
    }
}

impl<F, T: Send, E: From<Error> + Send> Work for Item<F, T, E>
where
    F: Fn(&mut Tx<'_>) -> Result<T, E> + Send,
{
    fn write(&mut self, tx: &mut Tx<'_>) -> bool {
        self.keep(|run| run(tx));
        !self.has_failed()
    }
    fn fail(&mut self, error: Error) {
        self.result = Some(Err(error.into()));
    }
    fn has_failed(&self) -> bool {
        matches!(self.result, Some(Err(_)))
    }
    fn answer(self: Box<Self>) {
        self.send();
    }
}

impl<F, T: Send, E: From<Error> + Send> Look for Item<F, T, E>
where
    F: Fn(&mut Reader<'_>) -> Result<T, E> + Send,
{
    fn read(&mut self, reader: &mut Reader<'_>) {
        self.keep(|run| run(reader));
    }
    fn fail(&mut self, error: Error) {
        self.result = Some(Err(error.into()));
    }
    fn answer(self: Box<Self>) {
        self.send();
    }
}

/// A connection that is made when it is first wanted, and again when it was lost.
pub(crate) struct Link {
    location: Arc<Location>,
    writes: bool,
    connection: Option<Connection>,
    failed: Option<(Instant, Error)>,
}

impl Link {
    pub(crate) fn new(location: Arc<Location>, writes: bool) -> Self {
        Self {
            location,
            writes,
            connection: None,
            failed: None,
        }
    }

    /// Takes a connection that is ready.
    pub(crate) fn keep(&mut self, connection: Connection) {
        self.connection = Some(connection);
    }

    pub(crate) fn connect(&self) -> Result<Connection, Error> {
        Ok(match (&*self.location, self.writes) {
            (Location::File(path), true) => Connection::Sqlite(Sqlite::writer(path)?),
            (Location::File(path), false) => Connection::Sqlite(Sqlite::reader(path)?),
            (Location::Memory, _) => Connection::Sqlite(Sqlite::memory()?),
            (Location::Postgres(url), _) => Connection::Postgres(Box::new(Postgres::connect(url)?)),
        })
    }

    /// A connection with a transaction begun on it. A connection found dead is replaced once:
    /// nothing was asked of it yet.
    fn begin(&mut self, control: Control) -> Result<&mut Connection, Error> {
        if let Some(mut connection) = self.connection.take() {
            match connection.control(control) {
                Ok(()) => return Ok(self.connection.insert(connection)),
                Err(error) if !connection.is_lost() => {
                    self.connection = Some(connection);
                    return Err(error);
                }
                Err(_) => {}
            }
        }
        if let Some((at, error)) = &self.failed
            && at.elapsed() < RECONNECT_PAUSE
        {
            return Err(error.clone());
        }
        match self.connect() {
            Ok(connection) => {
                self.failed = None;
                let connection = self.connection.insert(connection);
                connection.control(control)?;
                Ok(connection)
            }
            Err(error) => {
                tracing::warn!(%error, "the database cannot be reached");
                self.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }
}

/// The writing thread: connects and migrates, says so through `ready`, then works until stopped.
pub(crate) fn writer(
    location: Arc<Location>,
    mut queue: mpsc::Receiver<Message<dyn Work>>,
    ready: oneshot::Sender<Result<(), Error>>,
    outlet: &Outlet,
) {
    let mut link = Link::new(location, true);
    let opened = link.connect().and_then(|mut connection| {
        migrate::migrate(&mut connection)?;
        link.keep(connection);
        Ok(())
    });
    let failed = opened.is_err();
    if ready.send(opened).is_err() || failed {
        return;
    }
    let mut stopping = false;
    while !stopping {
        let Some(first) = queue.blocking_recv() else {
            return;
        };
        let mut group = Vec::new();
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Message::Do(work) => group.push(work),
                Message::Stop => stopping = true,
            }
            // Once told to stop, it finishes everything that was queued.
            next = if group.len() < GROUP_MAX || stopping {
                queue.try_recv().ok()
            } else {
                None
            };
        }
        write_group(&mut link, group, outlet);
    }
}

fn write_group(link: &mut Link, mut group: Vec<Box<dyn Work>>, outlet: &Outlet) {
    if group.len() == 1 {
        write_alone(link, &mut group[0], outlet);
    } else if !group.is_empty() {
        match together(link, &mut group, outlet) {
            Ok(again) => again
                .into_iter()
                .for_each(|i| write_alone(link, &mut group[i], outlet)),
            Err(error) => {
                for work in group.iter_mut().filter(|w| !w.has_failed()) {
                    work.fail(error.clone());
                }
            }
        }
    }
    group.into_iter().for_each(Work::answer);
}

/// Runs a group in one transaction; answers which of it must be run again alone. An error means
/// that nothing of the group happened, unless the connection broke during the commit.
fn together(
    link: &mut Link,
    group: &mut [Box<dyn Work>],
    outlet: &Outlet,
) -> Result<Vec<usize>, Error> {
    let connection = link.begin(Control::BeginWrite)?;
    let ran = parts(connection, group, outlet);
    if ran.is_err() {
        // The error that led here is the one to tell; a rollback that fails ends with the connection.
        let _ = connection.control(Control::Rollback);
        connection.take_notices();
    }
    connection.take_retryable();
    match ran {
        // Nothing of it happened. Whatever was in the way, of another server or of one of the group,
        // need not be in the way of each.
        Err(_) if !connection.is_lost() => Ok((0..group.len()).collect()),
        other => other,
    }
}

fn parts(
    connection: &mut Connection,
    group: &mut [Box<dyn Work>],
    outlet: &Outlet,
) -> Result<Vec<usize>, Error> {
    let (mut again, mut appended) = (Vec::new(), Appended::default());
    let mut notices = BTreeSet::new();
    points::undo_to(0);
    connection.control(Control::Savepoint)?;
    for (i, work) in group.iter_mut().enumerate() {
        let points = points::count();
        let mut tx = Tx::new(connection);
        if work.write(&mut tx) {
            appended.extend(tx.into_appended());
            connection.control(Control::NextSavepoint)?;
            notices.append(&mut connection.take_notices());
        } else {
            points::undo_to(points);
            connection.control(Control::RollbackToSavepoint)?;
            // What an undone part wanted told goes with it.
            connection.take_notices();
            if connection.take_retryable() {
                again.push(i);
            }
        }
    }
    commit(connection, appended)?;
    points::after_commit();
    outlet.tell(notices);
    Ok(again)
}

/// Ends a transaction with what it adds to the logs.
fn commit(connection: &mut Connection, appended: Appended) -> Result<(), Error> {
    appended.write(&mut Tx::new(connection))?;
    points::before_commit();
    connection.control(Control::Commit)
}

/// Tells others what a transaction noted, if it is durable.
fn tell(connection: &mut Connection, durable: bool, outlet: &Outlet) {
    let notices = connection.take_notices();
    if durable && !notices.is_empty() {
        outlet.tell(notices);
    }
}

/// Runs one writer in a transaction of its own.
pub(crate) fn write_alone(link: &mut Link, work: &mut Box<dyn Work>, outlet: &Outlet) {
    for _ in 0..ATTEMPTS_MAX {
        let connection = match link.begin(Control::BeginWrite) {
            Ok(connection) => connection,
            Err(error) => return work.fail(error),
        };
        points::undo_to(0);
        let mut tx = Tx::new(connection);
        let wanted = work.write(&mut tx);
        let appended = tx.into_appended();
        let committed = if wanted {
            commit(connection, appended)
        } else {
            Ok(())
        };
        if wanted && committed.is_ok() {
            points::after_commit();
        }
        if !wanted || committed.is_err() {
            let _ = connection.control(Control::Rollback);
        }
        tell(connection, wanted && committed.is_ok(), outlet);
        if let Err(error) = committed {
            work.fail(error);
        }
        if !connection.take_retryable() {
            return;
        }
    }
}

/// A reading thread; several share one queue.
pub(crate) fn reader(
    location: Arc<Location>,
    queue: Arc<Mutex<mpsc::Receiver<Message<dyn Look>>>>,
) {
    let mut link = Link::new(location, false);
    loop {
        let next = queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .blocking_recv();
        let Some(Message::Do(mut look)) = next else {
            return;
        };
        // A read may be repeated: once, on a new connection, if the old one broke under it.
        for _ in 0..2 {
            match link.begin(Control::BeginRead) {
                Ok(connection) => {
                    look.read(&mut Reader::new(connection));
                    let ended = connection.control(Control::Rollback);
                    if ended.is_ok() || !connection.is_lost() {
                        break;
                    }
                }
                Err(error) => {
                    look.fail(error);
                    break;
                }
            }
        }
        look.answer();
    }
}
