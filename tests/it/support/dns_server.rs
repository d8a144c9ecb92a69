//! A name server on loopback: it answers as the test scripted, never from a cache, and counts what it was asked.
//! It knows no name that the test did not give it. Neighbour: `app` points the program at it.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::CNAME;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

/// Longer chains of aliases are a loop.
const LONGEST_CHAIN: usize = 8;
/// Whoever asks again gets the next answer.
const TTL: u32 = 0;

/// What one look-up of a name finds.
#[derive(Clone, Debug)]
pub enum Found {
    /// IPv4 ones answer a question of type A, IPv6 ones one of type AAAA.
    Addresses(Vec<IpAddr>),
    /// The name is another name (CNAME).
    Alias(String),
    /// No answer at all.
    Silence,
}

/// It serves until it is dropped.
pub struct DnsServer {
    address: SocketAddr,
    state: Arc<State>,
    serving: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    scripts: Mutex<HashMap<String, Vec<Found>>>,
    /// Questions asked for so far, by name and type.
    asked: Mutex<HashMap<(String, RecordType), usize>>,
}

/// Finds these addresses.
pub fn at<const N: usize>(addresses: [&str; N]) -> Found {
    Found::Addresses(addresses.iter().map(|address| address.parse().expect("an address")).collect())
}

/// Finds that it is another name for `name`.
pub fn alias(name: &str) -> Found {
    Found::Alias(name.to_owned())
}

impl DnsServer {
    pub async fn start() -> Self {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
        let address = socket.local_addr().unwrap();
        let state = Arc::new(State::default());
        let serving = tokio::spawn(serve(socket, Arc::clone(&state)));
        Self { address, state, serving }
    }

    /// `127.0.0.1:PORT`, as the setting `DNS_SERVERS` wants it.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The n-th look-up of the name finds the n-th of these, the last one for good.
    pub fn script(&self, name: &str, found: impl IntoIterator<Item = Found>) {
        let found: Vec<Found> = found.into_iter().collect();
        assert!(!found.is_empty(), "a script needs an answer");
        self.state.scripts.lock().unwrap().insert(name.to_owned(), found);
    }

    /// How often this name was asked for: questions of type A and of type AAAA.
    pub fn asked(&self, name: &str) -> (usize, usize) {
        let asked = self.state.asked.lock().unwrap();
        let times = |kind| asked.get(&(name.to_owned(), kind)).copied().unwrap_or(0);
        (times(RecordType::A), times(RecordType::AAAA))
    }
}

impl Drop for DnsServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(socket: UdpSocket, state: Arc<State>) {
    let mut buffer = [0; 4_096];
    while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
        let answer = Message::from_vec(&buffer[..length]).ok().and_then(|question| state.answer(&question));
        if let Some(answer) = answer {
            socket.send_to(&answer.to_vec().expect("an answer of a few records"), client).await.unwrap();
        }
    }
}

impl State {
    fn answer(&self, question: &Message) -> Option<Message> {
        let query = question.queries.first()?;
        let mut answer = Message::new(question.metadata.id, MessageType::Response, question.metadata.op_code);
        answer.metadata.recursion_desired = true;
        answer.metadata.recursion_available = true;
        answer.add_query(query.clone());
        // As a recursive server does, with the whole chain of aliases.
        let mut owner = query.name().clone();
        for _ in 0..LONGEST_CHAIN {
            match self.next(&owner, query.query_type()) {
                None => {
                    answer.metadata.response_code = ResponseCode::NXDomain;
                    break;
                }
                Some(Found::Silence) => return None,
                Some(Found::Alias(target)) => {
                    let target = Name::from_ascii(format!("{target}.")).expect("a name");
                    answer.add_answer(Record::from_rdata(owner, TTL, RData::CNAME(CNAME(target.clone()))));
                    owner = target;
                }
                Some(Found::Addresses(addresses)) => {
                    let records = addresses.into_iter().map(RData::from);
                    let records = records.filter(|data| data.record_type() == query.query_type());
                    answer.add_answers(records.map(|data| Record::from_rdata(owner.clone(), TTL, data)));
                    break;
                }
            }
        }
        Some(answer)
    }

    fn next(&self, name: &Name, kind: RecordType) -> Option<Found> {
        let name = name.to_ascii().trim_end_matches('.').to_ascii_lowercase();
        let mut asked = self.asked.lock().unwrap();
        let times = asked.entry((name.clone(), kind)).or_default();
        *times += 1;
        let scripts = self.scripts.lock().unwrap();
        let script = scripts.get(&name)?;
        script.get(*times - 1).or(script.last()).cloned()
    }
}
