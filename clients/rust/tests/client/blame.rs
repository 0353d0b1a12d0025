//! Authors and annotations, in deltas and in blame.

use std::collections::BTreeMap;

use chordstate::{Client, Provenance, Reason, ResultStream, json};

use crate::support::{Server, failure, patient};

/// Of the token `secret`.
const TOKENS: &str = "ann sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b\n";
const RULES: &str = r#"{"identities":{"ann":{"grants":[{"prefix":"","rights":["read","write"]}]}}}"#;

#[tokio::test]
async fn authors_and_annotations() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (tokens, rules) = (file("tokens", TOKENS), file("rules.json", RULES));
    let settings = ["--listen", "127.0.0.1:0", "--backend", "memory", "--auth-tokens", &tokens, "--auth-rules", &rules];
    let Some(server) = Server::start(&settings) else { return };
    let client = Client::builder(&server.address).token("secret").connect().unwrap();

    let value = json!({ "topic": "daily", "list": [1] });
    let set = client.set("a", value.clone()).annotate("ticket", "7").return_delta().await.unwrap();
    let annotations = BTreeMap::from([("ticket".to_owned(), "7".to_owned())]);
    let first = Provenance { expired: false, author: "ann".into(), annotations };
    let second = Provenance { author: "ann".into(), ..Default::default() };
    assert_eq!(set.delta.unwrap().provenance.as_ref(), Some(&first));
    let updated = client.update("a").append(["list"], [2]).await.unwrap();

    let pages = all(client.deltas("a", 0).pages()).await;
    let provenances: Vec<_> = pages.into_iter().flat_map(|page| page.deltas).map(|delta| delta.provenance).collect();
    assert_eq!(provenances, [Some(first.clone()), Some(second.clone())]);

    let mut lines = Vec::new();
    for page in all(client.blame("a")).await {
        assert_eq!((page.position, page.older_than), (updated.position.clone(), None));
        lines.extend(page.lines);
    }
    assert!(lines.iter().all(|line| line.updated_at.is_some()));
    let found: Vec<_> = lines
        .iter()
        .map(|line| {
            let run = line.run.unwrap();
            (line.path.join("/"), run.index, run.count, line.value.clone(), line.version, line.provenance.clone())
        })
        .collect();
    assert_eq!(
        found,
        [
            ("list".to_owned(), 0, 1, json!([1]), Some(1), Some(first.clone())),
            ("list".to_owned(), 1, 1, json!([2]), Some(2), Some(second)),
            ("topic".to_owned(), 0, 5, json!("daily"), Some(1), Some(first)),
        ]
    );
    let some = all(client.blame_paths("a", [["list"]])).await;
    assert_eq!(some.into_iter().flat_map(|page| page.lines).collect::<Vec<_>>(), lines[..2]);

    assert!(client.delete("a").annotate("ticket", "7").await.unwrap().changed);
    failure(client.blame("a").collect_all(), Reason::NotFound).await;
    failure(client.set("a", value).annotate("", "no key"), Reason::InvalidArgument).await;
}

async fn all<T>(pages: ResultStream<T>) -> Vec<T> {
    patient(pages.collect_all()).await.unwrap()
}
