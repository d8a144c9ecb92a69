using System;
using System.Collections.Generic;
using Newtonsoft.Json;

namespace Contit.Scheduler
{
    /// <summary>Whose a token is and what it may do.</summary>
    public sealed class TokenOwner
    {
        /// <summary>The tenant whose jobs it sees.</summary>
        [JsonProperty("tenant")]
        public string Tenant { get; set; }

        /// <summary><c>read</c>, <c>write</c> or both.</summary>
        [JsonProperty("scopes")]
        public List<string> Scopes { get; set; } = new List<string>();

        /// <summary>What time it is at the Scheduler, by which everything is due.</summary>
        [JsonProperty("nowUtc")]
        [JsonConverter(typeof(UtcConverter))]
        public DateTime NowUtc { get; set; }
    }
}
