//! The search for what must never be seen: in files and directories, as it stands, in every form in which
//! it might be hidden, and inside whatever is compressed there.
//!
//! Searched by `grep`, as the write-ahead log of a database is large. That each form is found is tried
//! here; where is searched, in `secrets.rs`.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// The answer of a search that found nothing.
pub(crate) const NOWHERE: [PathBuf; 0] = [];

/// How many layers of compression are taken off.
const LAYERS: usize = 2;

/// Bytes of one compressed stream that are looked at, and streams of one layer.
const INFLATED_BYTES_MAX: u64 = 16 << 20;
const STREAMS_MAX: usize = 20_000;

/// How gzip and zlib begin.
const BEGINNINGS: [&[u8]; 5] = [
    b"\x1f\x8b\x08",
    b"\x78\x01",
    b"\x78\x5e",
    b"\x78\x9c",
    b"\x78\xda",
];

/// Places to search, and what was compressed in them.
pub(crate) struct Search {
    places: Vec<PathBuf>,
    inflated: tempfile::TempDir,
    /// In which file each of those stood, by its number.
    origins: Vec<PathBuf>,
}

impl Search {
    /// Some files, and all files below some directories, as they are now.
    pub(crate) async fn of(places: &[PathBuf]) -> Self {
        let inflated = tempfile::tempdir().expect("a directory");
        let mut search = Self {
            places: places.to_vec(),
            inflated,
            origins: Vec::new(),
        };
        let mut layer = search.places.clone();
        for _ in 0..LAYERS {
            let first = search.origins.len();
            search.inflate(&layer).await;
            layer = (first..search.origins.len())
                .map(|number| search.inflated.path().join(number.to_string()))
                .collect();
            if layer.is_empty() {
                break;
            }
        }
        search
    }

    /// Takes whatever is compressed in some places out of it.
    async fn inflate(&mut self, places: &[PathBuf]) {
        let found = grep(&BEGINNINGS, &["--only-matching", "--byte-offset"], places).await;
        let mut streams = BTreeSet::new();
        for line in found.split(|byte| *byte == b'\n') {
            let Some(end) = line.iter().position(|byte| *byte == 0) else {
                continue;
            };
            let path = PathBuf::from(String::from_utf8_lossy(&line[..end]).into_owned());
            let offset = String::from_utf8_lossy(&line[end + 1..]).into_owned();
            let offset = offset.split(':').next().and_then(|n| n.parse().ok());
            streams.insert((path, offset.unwrap_or(0_u64)));
        }
        assert!(streams.len() <= STREAMS_MAX, "{}", streams.len());
        for (path, offset) in streams {
            let bytes = inflated(&path, offset);
            if bytes.len() >= 8 {
                let number = self.origins.len().to_string();
                std::fs::write(self.inflated.path().join(number), bytes).expect("it is written");
                let origin = self.origin(&path);
                self.origins.push(origin);
            }
        }
    }

    /// The file among the places that something came out of.
    fn origin(&self, path: &Path) -> PathBuf {
        let number = path
            .strip_prefix(self.inflated.path())
            .ok()
            .and_then(|rest| rest.to_str()?.parse::<usize>().ok());
        number.map_or_else(|| path.to_owned(), |number| self.origins[number].clone())
    }

    /// The files in which a text is found in any of its forms.
    pub(crate) async fn holding(&self, text: &str) -> Vec<PathBuf> {
        let forms: Vec<Vec<u8>> = forms(text).into_iter().map(|(_, form)| form).collect();
        let forms: Vec<&[u8]> = forms.iter().map(Vec::as_slice).collect();
        let mut places = self.places.clone();
        places.push(self.inflated.path().to_owned());
        let found = grep(&forms, &["--files-with-matches"], &places).await;
        let files = found.split(|byte| *byte == 0).filter(|f| !f.is_empty());
        let files: BTreeSet<PathBuf> = files
            .map(|file| self.origin(Path::new(&*String::from_utf8_lossy(file))))
            .collect();
        files.into_iter().collect()
    }
}

/// The files among and below some places in which a text is found in any of its forms.
pub(crate) async fn holding(places: &[PathBuf], text: &str) -> Vec<PathBuf> {
    Search::of(places).await.holding(text).await
}

/// What `grep` says of some bytes in some places; names of files end with a zero byte.
async fn grep(patterns: &[&[u8]], more: &[&str], places: &[PathBuf]) -> Vec<u8> {
    let file = tempfile::NamedTempFile::new().expect("a file for the patterns");
    std::fs::write(&file, patterns.join(&b"\n"[..])).expect("the patterns are written");
    let mut grep = Command::new("grep");
    grep.env("LC_ALL", "C")
        .args(["--recursive", "--text", "--fixed-strings", "--no-messages"])
        .args(["--with-filename", "--null"])
        .args(more)
        .arg("--file")
        .arg(file.path())
        .args(places);
    let found = grep.output().await.expect("grep runs");
    // 2 means that a file could not be read: a database may have removed one meanwhile.
    assert!(matches!(found.status.code(), Some(0..=2)), "{found:?}");
    found.stdout
}

/// What begins to be compressed at a place in a file, as far as it can be read.
fn inflated(path: &Path, offset: u64) -> Vec<u8> {
    use std::io::{Seek as _, SeekFrom};
    let Ok(mut file) = std::fs::File::open(path) else {
        return Vec::new();
    };
    if file.seek(SeekFrom::Start(offset)).is_err() {
        return Vec::new();
    }
    let mut start = [0];
    let is_gzip = file.read_exact(&mut start).is_ok() && start == [0x1f];
    if file.seek(SeekFrom::Start(offset)).is_err() {
        return Vec::new();
    }
    let file = std::io::BufReader::new(file);
    let mut bytes = Vec::new();
    // Where it ends in the middle, or is none after all, what came until then counts.
    let _ = if is_gzip {
        let decoder = flate2::read::GzDecoder::new(file);
        decoder.take(INFLATED_BYTES_MAX).read_to_end(&mut bytes)
    } else {
        let decoder = flate2::read::ZlibDecoder::new(file);
        decoder.take(INFLATED_BYTES_MAX).read_to_end(&mut bytes)
    };
    bytes
}

/// A text as it might be hidden, each form with its name. Of base64 the ends are left out that depend
/// on what stands beside.
pub(crate) fn forms(text: &str) -> Vec<(&'static str, Vec<u8>)> {
    let hex = |upper: bool| {
        text.bytes().fold(String::new(), |mut hex, byte| {
            let _ = match upper {
                true => write!(hex, "{byte:02X}"),
                false => write!(hex, "{byte:02x}"),
            };
            hex
        })
    };
    let mut forms: Vec<(&'static str, String)> = vec![
        ("as it stands", text.to_owned()),
        ("in hexadecimal", hex(false)),
        ("in hexadecimal", hex(true)),
        ("reversed", text.chars().rev().collect()),
    ];
    let reserved = |byte: u8| !byte.is_ascii_alphanumeric() && !b"-._~".contains(&byte);
    for which in [reserved, |_| true] {
        for upper in [false, true] {
            forms.push(("percent-encoded", percent(text, which, upper)));
        }
    }
    let form = reqwest::Url::parse_with_params("http://x/", [("", text)]).expect("an address");
    let form = form.query().unwrap_or_default().trim_start_matches('=');
    forms.push(("as in a form", form.to_owned()));
    let quoted = serde_json::Value::from(text).to_string();
    let quoted = quoted[1..quoted.len() - 1].to_owned();
    forms.push(("escaped as in JSON", quoted.replace('/', "\\/")));
    forms.push(("escaped as in JSON", quoted));
    let units = text
        .encode_utf16()
        .map(|unit| format!("\\u{unit:04x}"))
        .collect();
    forms.push(("in escapes alone", units));
    forms.extend(base64_forms("in base64", text.as_bytes()));
    let once = STANDARD.encode(text);
    forms.extend(base64_forms(
        "twice in base64",
        once.trim_end_matches('=').as_bytes(),
    ));
    let mut forms: Vec<(&'static str, Vec<u8>)> = forms
        .into_iter()
        .map(|(name, form)| (name, form.into_bytes()))
        .collect();
    let units = || text.encode_utf16();
    forms.push(("in UTF-16", units().flat_map(u16::to_le_bytes).collect()));
    forms.push(("in UTF-16", units().flat_map(u16::to_be_bytes).collect()));
    forms
}

fn percent(text: &str, which: fn(u8) -> bool, upper: bool) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        let _ = match (which(byte), upper) {
            (false, _) => write!(out, "{}", char::from(byte)),
            (true, false) => write!(out, "%{byte:02x}"),
            (true, true) => write!(out, "%{byte:02X}"),
        };
        out
    })
}

fn base64_forms(name: &'static str, bytes: &[u8]) -> Vec<(&'static str, String)> {
    let mut forms = Vec::new();
    for shift in 0..3 {
        let mut shifted = vec![b'x'; shift];
        shifted.extend_from_slice(bytes);
        for engine in [&STANDARD, &URL_SAFE] {
            let encoded = engine.encode(&shifted);
            forms.push((name, encoded[4..encoded.len() - 4].to_owned()));
        }
    }
    forms
}

#[tokio::test]
async fn every_form_is_found_and_nothing_else() {
    use std::io::Write as _;
    let folder = tempfile::tempdir().expect("a directory");
    let text = format!("{}/+\"%&=", crate::upstream::fresh_token());
    let other = format!("{}/+\"%&=", crate::upstream::fresh_token());
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).expect("memory takes it");
        encoder.finish().expect("memory takes it")
    };
    let zlib = |bytes: &[u8]| {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).expect("memory takes it");
        encoder.finish().expect("memory takes it")
    };
    let mut planted = forms(&text);
    let named: BTreeSet<&str> = planted.iter().map(|(name, _)| *name).collect();
    assert_eq!(named.len(), 10, "{named:?}");
    let plain = [b"before ", text.as_bytes(), b" behind"].concat();
    let in_base64 = STANDARD.encode(&plain).into_bytes();
    for (name, bytes) in [
        ("inside of gzip", gzip(&plain)),
        ("inside of zlib", zlib(&plain)),
        ("encoded inside of gzip", gzip(&in_base64)),
        ("gzip inside of gzip", gzip(&gzip(&plain))),
        ("gzip that is cut off", {
            let noise: String = (0..20_000).map(|n| n.to_string()).collect();
            let mut bytes = gzip(&[&plain[..], noise.as_bytes()].concat());
            bytes.truncate(bytes.len() - 9);
            bytes
        }),
    ] {
        planted.push((name, bytes));
    }
    for (number, (name, form)) in planted.iter().enumerate() {
        let file = folder.path().join(number.to_string());
        // In the midst of bytes of every kind, as in the page of a database.
        let noise: Vec<u8> = (0..=255).collect();
        let bytes = [&noise[..], form, &noise[..]].concat();
        std::fs::write(&file, bytes).expect("it is written");
        let search = Search::of(std::slice::from_ref(&file)).await;
        assert_eq!(search.holding(&text).await, [file], "{name}");
        assert_eq!(search.holding(&other).await, NOWHERE, "{name}");
    }
    let search = Search::of(&[folder.path().to_owned()]).await;
    assert_eq!(search.holding(&text).await.len(), planted.len());
}
