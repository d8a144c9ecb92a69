// As driver.py.
using System;
using System.Linq;
using System.Text;

public static class Driver
{
    public static void Main(string[] arguments)
    {
        for (var line = Console.ReadLine(); line != null; line = Console.ReadLine())
        {
            var fields = line.Split(' ');
            var secret = Encoding.UTF8.GetString(Bytes(fields[0]));
            var header = Encoding.UTF8.GetString(Bytes(fields[1]));
            var now = DateTimeOffset.FromUnixTimeSeconds(long.Parse(fields[3]));
            Console.WriteLine(ContitSignature.IsSigned(header, Bytes(fields[2]), secret, TimeSpan.FromMinutes(5), now));
        }
    }

    private static byte[] Bytes(string hex)
    {
        return Enumerable.Range(0, hex.Length / 2).Select(i => Convert.ToByte(hex.Substring(2 * i, 2), 16)).ToArray();
    }
}
