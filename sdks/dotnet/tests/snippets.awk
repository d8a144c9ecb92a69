# Makes a class of the C# blocks of README.md: a function for each, which returns what the block prints.
BEGIN {
  print "using System;\nusing System.Collections.Generic;\nusing System.IO;\nusing System.Threading.Tasks;"
  print "using Newtonsoft.Json.Linq;\n"
  print "namespace Contit.Scheduler.Tests\n{\n    internal static class Snippet\n    {"
}
/^```csharp$/ {
  inside = 1
  print "        internal static async Task<string> Say" count++ "(string apiKey, string secret, string header, byte[] body)\n        {"
  print "            var before = Console.Out;\n            var said = new StringWriter();\n            Console.SetOut(said);"
  print "            await Task.Yield();\n            try\n            {\n#line " NR + 1 " \"README.md\""
  next
}
/^```$/ && inside {
  inside = 0
  print "#line default\n            }\n            finally\n            {\n                Console.SetOut(before);\n            }"
  print "            return said.ToString();\n        }\n"
}
# A namespace is named at the top, once; programs have it in front of theirs.
inside && !/^using / { print }
END { print "        internal const int Count = " count ";\n    }\n}" }
