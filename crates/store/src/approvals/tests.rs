//! That approvals are found by the index that was meant. What is written and read is tried from outside
//! the crate, on both databases.

use super::OF_TASK;
use crate::db::sqlite::Sqlite;
use crate::db::{Connection, Reader, params};
use crate::migrate::migrate;

#[test]
fn what_a_task_asks_is_found_by_the_task_however_much_waits_in_its_workspace() {
    let mut connection = Connection::Sqlite(Sqlite::memory().unwrap());
    migrate(&mut connection).unwrap();
    let mut reader = Reader::new(&mut connection);
    for more in ["", "and status = 'pending'", "and created_at > 5"] {
        for order in ["", "order by created_at desc, id desc limit 50"] {
            let sql = format!(
                "explain query plan select request from approvals where {OF_TASK} {more} {order}"
            );
            let steps = reader
                .all(&sql, &params!["task_1", "ws_1"], |r| {
                    r.int()?;
                    r.int()?;
                    r.int()?;
                    r.text()
                })
                .unwrap();
            assert!(
                steps[0].contains("(task_id=?)"),
                "{more} {order}: {steps:?}"
            );
        }
    }
}
