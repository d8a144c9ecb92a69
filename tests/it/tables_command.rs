//! `scheduler tables create`: makes what is missing in a store on this machine, and nothing anywhere else.
//! It never looks at the shape of a table; `template_tables` does. Neighbour: `support::administration` runs the command.

use crate::on_both_stores;
use crate::support::administration::scheduler;
use crate::support::process::Exit;

async fn create_tables(environment: &[(&str, &str)]) -> Exit {
    let environment: Vec<_> = environment.iter().map(|(name, value)| ((*name).to_owned(), value.into())).collect();
    scheduler(&["tables", "create"], &environment).await
}

on_both_stores! {
    async fn what_is_missing_is_made_and_what_is_there_stays(store: Store) {
        let names = ["jobs", "tenants", "usage"].map(|table| format!("{}{table}", store.table_prefix()));
        let [jobs, tenants, usage] = &names;
        let environment = [
            ("AWS_ENDPOINT_URL_DYNAMODB", store.endpoint()),
            ("JOBS_TABLE", jobs.as_str()),
            ("TENANTS_TABLE", tenants),
            ("USAGE_TABLE", usage),
        ];
        for _ in 0..2 {
            let exit = create_tables(&environment).await;
            assert_eq!(exit.succeeded().stdout.lines().collect::<Vec<_>>(), names);
        }
        for name in &names {
            store.client().describe_table().table_name(name).send().await.unwrap();
        }
    }
}

#[tokio::test]
async fn on_aws_and_on_other_machines_no_table_is_made() {
    let endpoint = |url| ("AWS_ENDPOINT_URL_DYNAMODB", url);
    let on_aws = endpoint("https://dynamodb.eu-south-1.amazonaws.com");
    for environment in [vec![], vec![on_aws], vec![endpoint("http://192.0.2.1:8000")], vec![endpoint("localhost")]] {
        create_tables(&environment).await.failed_saying("the stack makes the tables");
    }
}
