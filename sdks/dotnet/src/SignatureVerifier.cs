using System;
using System.Collections.Generic;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Contit.Scheduler
{
    /// <summary>Verifies the header <c>Contit-Signature</c> of a callback.</summary>
    public static class SignatureVerifier
    {
        private static readonly TimeSpan UsualTolerance = TimeSpan.FromMinutes(5);

        /// <summary>Whether a callback was signed with this secret, recently. Of two signatures, as while a secret is rotated, either may match.</summary>
        /// <param name="secret">The tenant's signing secret, as it stands (<c>whsec_</c> included).</param>
        /// <param name="header">The header <c>Contit-Signature</c>; <c>null</c> when there is none.</param>
        /// <param name="body">The body exactly as it came over the wire; empty for GET and HEAD.</param>
        /// <param name="tolerance">How far the time of signing may be from now: five minutes unless given.</param>
        /// <param name="now">Instead of the clock.</param>
        public static bool Verify(string secret, string header, byte[] body, TimeSpan? tolerance = null, DateTimeOffset? now = null)
        {
            if (secret == null) throw new ArgumentNullException(nameof(secret));
            if (body == null) throw new ArgumentNullException(nameof(body));
            string time = null;
            var signatures = new List<string>();
            foreach (var part in (header ?? "").Split(','))
            {
                if (part.StartsWith("t=", StringComparison.Ordinal))
                {
                    if (time != null) return false;
                    time = part.Substring(2);
                }
                else if (part.StartsWith("s=", StringComparison.Ordinal))
                {
                    signatures.Add(part.Substring(2));
                }
            }
            long seconds;
            if (!long.TryParse(time, NumberStyles.None, CultureInfo.InvariantCulture, out seconds)) return false;
            var apart = Math.Abs((now ?? DateTimeOffset.UtcNow).ToUnixTimeSeconds() - seconds);
            if (apart > (tolerance ?? UsualTolerance).TotalSeconds) return false;

            var expected = Encoding.UTF8.GetBytes(Sign(secret, time, body));
            var valid = false;
            foreach (var signature in signatures)
            {
                // Not ||: all are compared, so that the time taken does not tell which one matched.
                valid |= IsSameInConstantTime(Encoding.UTF8.GetBytes(signature), expected);
            }
            return valid;
        }

        /// <summary>The same for a body as text, in UTF-8.</summary>
        /// <param name="secret">The tenant's signing secret, as it stands (<c>whsec_</c> included).</param>
        /// <param name="header">The header <c>Contit-Signature</c>; <c>null</c> when there is none.</param>
        /// <param name="body">The body, not parsed and written again.</param>
        /// <param name="tolerance">How far the time of signing may be from now: five minutes unless given.</param>
        /// <param name="now">Instead of the clock.</param>
        public static bool Verify(string secret, string header, string body, TimeSpan? tolerance = null, DateTimeOffset? now = null)
        {
            if (body == null) throw new ArgumentNullException(nameof(body));
            return Verify(secret, header, Encoding.UTF8.GetBytes(body), tolerance, now);
        }

        private static string Sign(string secret, string time, byte[] body)
        {
            var prefix = Encoding.UTF8.GetBytes(time + ".");
            var signed = new byte[prefix.Length + body.Length];
            prefix.CopyTo(signed, 0);
            body.CopyTo(signed, prefix.Length);
            using (var hmac = new HMACSHA256(Encoding.UTF8.GetBytes(secret)))
            {
                return BitConverter.ToString(hmac.ComputeHash(signed)).Replace("-", "").ToLowerInvariant();
            }
        }

        /// <summary>How long it takes says nothing of where they differ; .NET Standard 2.0 has nothing for this.</summary>
        private static bool IsSameInConstantTime(byte[] given, byte[] expected)
        {
            if (given.Length != expected.Length) return false;
            var difference = 0;
            for (var i = 0; i < expected.Length; i++) difference |= given[i] ^ expected[i];
            return difference == 0;
        }
    }
}
