//! The files that a description in a file refers to: those in its own folder and below it.
//!
//! A way out of that folder, by its name or by a link, leads nowhere; nothing is fetched.

use std::path::Path;
use tools::{ImportError, Parsed};

/// The description in a file, with the files that it consists of.
pub(super) fn parsed(file: &Path, bytes: &[u8]) -> Result<Parsed, ImportError> {
    let own = file.file_name().unwrap_or_default().to_string_lossy();
    let mut parsed = Parsed::parse(bytes, Some(&tools::local_address(&own)))?;
    loop {
        let wanted = parsed.wanted();
        if wanted.is_empty() {
            return Ok(parsed);
        }
        for url in wanted {
            let read = read(file, &url);
            parsed.add(&url, read);
        }
    }
}

/// The text to upload of a description in a file: with the files that it consists of, if it needs
/// any. What is no description is left to whoever reads it.
pub(super) fn whole(file: &Path, text: String) -> String {
    match parsed(file, text.as_bytes()) {
        Ok(parsed) => parsed.bundled().unwrap_or(text),
        Err(_) => text,
    }
}

fn read(file: &Path, url: &str) -> Result<Vec<u8>, String> {
    let folder = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    let folder = folder.canonicalize().map_err(|e| e.to_string())?;
    let name = tools::local_path(url).ok_or("it is no file of this folder")?;
    let found = folder
        .join(name)
        .canonicalize()
        .map_err(|e| e.to_string())?;
    if !found.starts_with(&folder) {
        return Err("it lies outside of the folder of the description".to_owned());
    }
    let size = std::fs::metadata(&found).map_err(|e| e.to_string())?;
    if !size.is_file() {
        return Err("it is no file".to_owned());
    }
    if size.len() > tools::OTHER_BYTES_MAX {
        return Err(format!(
            "it is larger than {} bytes",
            tools::OTHER_BYTES_MAX
        ));
    }
    std::fs::read(&found).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_folder_are_read_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let inside = folder.join("api/parts");
        std::fs::create_dir_all(&inside).unwrap();
        std::fs::write(folder.join("secret.json"), "{}").unwrap();
        std::fs::write(inside.join("a b.json"), "{}").unwrap();
        let file = folder.join("api/openapi.json");
        assert_eq!(read(&file, "local:///parts/a%20b.json").unwrap(), b"{}");
        assert!(read(&file, "local:///parts").is_err());
        for out in [
            "local:///%2e%2e/secret.json",
            "local:///..%2Fsecret.json",
            "local:///%2Fetc%2Fpasswd",
        ] {
            assert!(read(&file, out).is_err(), "{out}");
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(folder.join("secret.json"), inside.join("link.json"))
                .unwrap();
            let refused = read(&file, "local:///parts/link.json").unwrap_err();
            assert!(refused.contains("outside"), "{refused}");
        }
        let text = r##"{"openapi": "3.1.0", "paths": {"/x": {"$ref": "parts/a%20b.json#/x"}}}"##;
        std::fs::write(
            inside.join("a b.json"),
            r#"{"x": {"get": {"operationId": "x"}}}"#,
        )
        .unwrap();
        let whole = whole(&file, text.to_owned());
        assert!(
            whole.contains("operationId") && whole.contains("#/x-executor-documents/"),
            "{whole}"
        );
        let alone = r#"{"openapi": "3.1.0", "paths": {}}"#;
        assert_eq!(super::whole(&file, alone.to_owned()), alone);
    }
}
