# ruff: noqa: E501
"""What people send to a bot, written for these tests."""

import json

ENGLISH = [
    "Hi there, I ordered the walnut standing desk two weeks ago and the tracking page still says that the parcel is being "
    "prepared. Could you please find out what is holding it up? I will be away from Thursday on, so if it cannot arrive "
    "before that, I would rather have it sent to my office. Also, the invoice shows the wrong company name; it should be "
    "the one that I gave when I signed up. Thank you for looking into this, and sorry for the long message!",
    "Our team moved to the new workspace yesterday and since then nobody receives the daily report. I checked the "
    "settings twice: the channel is selected, the time zone is right and the schedule is switched on. What surprises me "
    "is that a test message gets through at once. Is there a log that would tell us why the scheduled ones are dropped? "
    "If you need access to look for yourself, tell me which permissions are required and for how long.",
    "I have been thinking about the trip you planned for us, and I believe we should leave a day earlier. The train "
    "leaves at seven in the morning, which gives us enough time to visit the old town before the conference starts. My "
    "sister will join us in the evening and she does not eat meat, so please look for a restaurant that has more than a "
    "salad to offer. And remind me to pack the camera this time, because I forgot it on our last journey.",
    "Can you explain how a refund works? I cancelled the subscription in January, yet the yearly fee was taken from my account "
    "again last week. I have attached the confirmation that I got at the time. If anything else is missing, give me a call, "
    "mornings are best. I would like to have this settled before the next payment is due, and a short answer in writing "
    "would be enough for my records. By the way, the new version of the app is much nicer than the old one, well done.",
]
GERMAN = [
    "Guten Tag, vor zwei Wochen habe ich den höhenverstellbaren Schreibtisch bestellt, und in der Sendungsverfolgung "
    "steht immer noch, dass das Paket vorbereitet wird. Können Sie bitte herausfinden, woran es liegt? Ab Donnerstag bin "
    "ich nicht mehr zu Hause. Wenn die Lieferung bis dahin nicht möglich ist, lassen Sie sie bitte an meine Büroadresse "
    "schicken. Außerdem steht auf der Rechnung der falsche Firmenname. Vielen Dank für Ihre Unterstützung!",
    "Seit dem Umzug in den neuen Arbeitsbereich bekommt niemand mehr den täglichen Bericht. Ich habe die Einstellungen "
    "zweimal überprüft: Der Kanal ist ausgewählt, die Zeitzone stimmt, und der Zeitplan ist eingeschaltet. Mich wundert, "
    "dass eine Testnachricht sofort ankommt. Gibt es ein Protokoll, aus dem hervorgeht, warum die geplanten Nachrichten "
    "verworfen werden? Die Datenschutzbeauftragte müsste einer Freigabe der Zugriffsrechte vorher zustimmen.",
    "Ich habe noch einmal über unsere Reise nachgedacht und glaube, wir sollten einen Tag früher aufbrechen. Der Zug "
    "fährt um sieben Uhr morgens ab, dann bleibt genug Zeit, die Altstadt zu besichtigen, bevor die Tagung beginnt. Meine "
    "Schwester kommt am Abend dazu und isst kein Fleisch. Bitte such ein Restaurant, das mehr als einen gemischten Salat "
    "anbietet, und denk an die Reisekostenabrechnung vom letzten Frühjahr.",
    "Könnten Sie mir erklären, wie die Rückerstattung abläuft? Ich habe das Abonnement im Januar gekündigt, trotzdem wurde "
    "der Jahresbeitrag noch einmal von meinem Konto abgebucht. Die Kündigungsbestätigung habe ich als Anhang beigefügt. Falls "
    "noch Unterlagen fehlen, melden Sie sich bitte telefonisch, am besten vormittags. Ich möchte die Angelegenheit gern "
    "abschließen, bevor die nächste Zahlung fällig wird, und bitte um eine kurze schriftliche Rückmeldung.",
]
CHINESE = [
    "您好，我两周前订购了一张胡桃木升降桌，但是物流页面一直显示包裹正在准备中。请帮我查一下是什么原因造成了延误。我从星期四开始不在家，"
    "如果在那之前无法送达，请把它寄到我的办公室。另外，发票上的公司名称写错了，应该是我注册时填写的那一个。谢谢您的帮助，抱歉写了这么长。",
    "昨天我们团队搬到了新的工作区，从那以后就没有人收到每日报告了。我检查了两遍设置：频道已经选好，时区正确，定时任务也已打开。"
    "让我奇怪的是，测试消息马上就能收到。有没有日志可以告诉我们，为什么定时消息会被丢弃？如果您需要访问权限来查看，请告诉我需要哪些权限，以及需要多长时间。",
    "我又考虑了一下你为我们安排的旅行，觉得应该提前一天出发。火车早上七点开，这样在会议开始之前，我们有足够的时间参观老城。"
    "我姐姐晚上会来和我们会合，她不吃肉，所以请找一家不只提供沙拉的餐厅。还有，这次请提醒我带上相机，因为上次旅行的时候我忘记带了。",
    "请问退款的流程是怎样的？我一月份就取消了订阅，但是上周年费又从我的账户里扣除了。我已经把当时收到的确认邮件作为附件发给你们。"
    "如果还缺少什么材料，请给我打电话，最好是上午。我希望在下一次付款之前解决这个问题，书面简短回复一下就可以了。顺便说一句，新版应用比旧版好用多了，做得很好。",
]
ARABIC = [
    "مرحباً، طلبت مكتباً خشبياً قابلاً للتعديل قبل أسبوعين، وما زالت صفحة التتبع تقول إن الطرد قيد التحضير. هل يمكنكم معرفة سبب "
    "التأخير من فضلكم؟ سأكون خارج المنزل ابتداءً من يوم الخميس، فإذا لم يصل قبل ذلك فأرجو إرساله إلى عنوان مكتبي. كما أن اسم "
    "الشركة في الفاتورة غير صحيح، ويجب أن يكون الاسم الذي أدخلته عند التسجيل. شكراً جزيلاً لمساعدتكم.",
    "انتقل فريقنا أمس إلى مساحة العمل الجديدة، ومنذ ذلك الحين لا يتلقى أحد التقرير اليومي. لقد راجعت الإعدادات مرتين: القناة محددة "
    "والمنطقة الزمنية صحيحة والجدول مفعّل. ما يدهشني هو أن الرسالة التجريبية تصل فوراً. هل يوجد سجل يوضح لماذا يتم تجاهل الرسائل "
    "المجدولة؟ إذا كنتم بحاجة إلى صلاحية للوصول فأخبروني بالصلاحيات المطلوبة والمدة اللازمة.",
    "فكرت مرة أخرى في الرحلة التي خططت لها وأعتقد أننا يجب أن نسافر قبل ذلك بيوم. يغادر القطار في الساعة السابعة صباحاً، وهذا يمنحنا "
    "وقتاً كافياً لزيارة المدينة القديمة قبل بداية المؤتمر. ستنضم إلينا أختي في المساء وهي لا تأكل اللحم، لذلك أرجو البحث عن مطعم "
    "يقدم أكثر من السلطة. وذكرني هذه المرة بأن آخذ الكاميرا معي لأنني نسيتها في رحلتنا الأخيرة.",
    "هل يمكنكم أن تشرحوا لي كيف يتم استرداد المبلغ؟ لقد ألغيت الاشتراك في شهر يناير، ومع ذلك تم خصم الرسوم السنوية من حسابي مرة أخرى "
    "في الأسبوع الماضي. أرفقت رسالة التأكيد التي وصلتني في ذلك الوقت. إذا كانت هناك وثائق ناقصة فاتصلوا بي من فضلكم، ويفضل في "
    "الصباح. أود أن تنتهي هذه المسألة قبل موعد الدفعة القادمة، ويكفيني رد مكتوب قصير. وبالمناسبة، الإصدار الجديد من التطبيق أفضل بكثير.",
]
CODE = [
    '''async def fetch_all(session: ClientSession, urls: list[str], limit: int = 8) -> dict[str, bytes]:
    """Download every URL with at most `limit` requests in flight."""
    gate = asyncio.Semaphore(limit)
    found: dict[str, bytes] = {}

    async def fetch(url: str) -> None:
        async with gate, session.get(url, timeout=ClientTimeout(total=30)) as response:
            response.raise_for_status()
            found[url] = await response.read()

    async with asyncio.TaskGroup() as group:
        for url in urls:
            group.create_task(fetch(url))
    return found
''',
    """export class ShoppingCart {
  private readonly items = new Map<string, CartItem>();

  addItem(product: Product, quantity = 1): void {
    const existing = this.items.get(product.id);
    if (existing) {
      existing.quantity += quantity;
      return;
    }
    this.items.set(product.id, { product, quantity, addedAt: Date.now() });
  }

  get total(): number {
    return [...this.items.values()].reduce((sum, { product, quantity }) => sum + product.price * quantity, 0);
  }
}
""",
    '''class RateLimiter:
    """A token bucket for each key."""

    def __init__(self, capacity: int, refill_per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._capacity = capacity
        self._refill = refill_per_second
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def allow(self, key: str, cost: float = 1.0) -> bool:
        tokens, updated_at = self._buckets.get(key, (self._capacity, self._clock()))
        now = self._clock()
        tokens = min(self._capacity, tokens + (now - updated_at) * self._refill)
        if tokens < cost:
            self._buckets[key] = (tokens, now)
            return False
        self._buckets[key] = (tokens - cost, now)
        return True
''',
    """func (s *Server) handleUpload(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	file, header, err := r.FormFile("document")
	if err != nil {
		s.logger.Printf("reading upload: %v", err)
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	defer file.Close()
	path := filepath.Join(s.uploadDir, filepath.Base(header.Filename))
	if err := s.store.Save(r.Context(), path, file); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprintf(w, "saved %d bytes\n", header.Size)
}
""",
]
JSON = [
    json.dumps(
        {
            "order_id": 884213,
            "status": "pending",
            "customer": {"id": "c_4471", "name": "Ada Brown", "email": "ada@example.org", "verified": True},
            "items": [
                {"sku": "DESK-160-WAL", "title": "Standing desk", "quantity": 1, "price": 549.0},
                {"sku": "LAMP-02", "title": "Desk lamp", "quantity": 2, "price": 39.95},
            ],
            "created_at": "2024-05-17T08:31:02Z",
            "shipping": {"carrier": "parcel", "tracking_code": None, "estimated_days": 12},
        },
        indent=2,
    ),
    json.dumps(
        [
            {
                "time": f"2024-06-{day:02}T0{day % 10}:15:00Z",
                "level": "info",
                "channel": "reports",
                "latency_ms": 37 * day,
            }
            for day in range(1, 9)
        ]
    ),
    json.dumps(
        {
            "event": "message.created",
            "team": {"id": "T0481516", "domain": "example-team"},
            "message": {
                "id": "1718000000.000300",
                "user": "U23420815",
                "text": "Please remind me to pack the camera",
                "attachments": [
                    {"kind": "image", "width": 1280, "height": 720, "url": "https://files.example.org/a/1.png"}
                ],
                "reactions": [{"name": "thumbsup", "count": 3}, {"name": "eyes", "count": 1}],
            },
            "retry": False,
            "delivered": ["web", "mobile"],
            "scores": [0.25, 0.5, 0.875, 1.0, 12.5],
        },
        indent=2,
    ),
    json.dumps(
        {
            "model": "small-1",
            "messages": [
                {"role": "system", "content": "Answer briefly."},
                {"role": "user", "content": "What is the weather like in the mountains today?"},
            ],
            "tools": [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}],
            "temperature": 0.2,
            "max_tokens": 512,
            "stream": True,
        },
        separators=(",", ":"),
    ),
]
EMOJI = [
    "🎉🎉🎉 we did it!!! 🚀🚀 so proud of this team 💪❤️ 😍🥳 thank you all 🙏🙏🙏 😂😂 see you at the party 🍕🍻🎂 👍👍 🔥🔥🔥",
    "good morning ☀️☕ 😴😴 I need more coffee 😂 today: 📅 meeting ✅ report 📈 lunch 🍜 and then home 🏠❤️ 🙈🙈 👋😊 💡💡 🌧️☔ 😢",
    "happy birthday 🎂🎈🎁 🥳🥳 hope you have a great day 😘❤️❤️ 🎶💃🕺 can't wait to see you 🤗 🌸🌼🌞 👏👏👏 😎 lots of love 💕✨✨",
    "new photos 📸 from the beach 🏖️🌊 we saw dolphins 🐬🐬 and ate so much ice cream 🍦🍦😋 the kids are tired 😴💤 love you ❤️😘 🌅🌅 👋👋",
]
SPANISH = [
    "Hola, hace dos semanas pedí el escritorio de nogal y la página de seguimiento todavía dice que el paquete se está "
    "preparando. ¿Podrían averiguar por favor qué pasa? A partir del jueves no estaré en casa, así que si no puede llegar "
    "antes, prefiero que lo envíen a mi oficina. Además, el nombre de la empresa en la factura no es correcto.",
    "He vuelto a pensar en el viaje que nos preparaste y creo que deberíamos salir un día antes. El tren sale a las siete "
    "de la mañana y así tenemos tiempo suficiente para visitar el casco antiguo antes de que empiece la conferencia. Mi "
    "hermana llega por la noche y no come carne, así que busca un restaurante que ofrezca algo más que una ensalada.",
]
FRENCH = [
    "Bonjour, j'ai commandé le bureau en noyer il y a deux semaines et la page de suivi indique toujours que le colis est "
    "en préparation. Pourriez-vous vérifier ce qui se passe ? À partir de jeudi je ne serai plus chez moi, donc s'il ne "
    "peut pas arriver avant, je préfère qu'il soit envoyé à mon bureau. De plus, le nom sur la facture est faux.",
    "J'ai encore réfléchi au voyage que tu nous as préparé et je pense que nous devrions partir un jour plus tôt. Le train "
    "part à sept heures du matin, ce qui nous laisse assez de temps pour visiter la vieille ville avant le début de la "
    "conférence. Ma sœur nous rejoint le soir et elle ne mange pas de viande, alors cherche un restaurant qui convient.",
]
RUSSIAN = [
    "Здравствуйте, две недели назад я заказал письменный стол из ореха, а на странице отслеживания до сих пор написано, что "
    "посылка готовится к отправке. Не могли бы вы узнать, в чём дело? С четверга меня не будет дома, поэтому, если до этого "
    "времени доставка невозможна, отправьте её, пожалуйста, в мой офис. Кроме того, в счёте указано неверное название.",
    "Я ещё раз подумал о поездке, которую вы для нас запланировали, и считаю, что нам лучше выехать на день раньше. Поезд "
    "отправляется в семь часов утра, и у нас останется достаточно времени, чтобы посмотреть старый город до начала "
    "конференции. Вечером приедет моя сестра, она не ест мяса, поэтому найдите, пожалуйста, подходящий ресторан.",
]
HINDI = [
    "नमस्ते, मैंने दो सप्ताह पहले अखरोट की लकड़ी की मेज़ मंगाई थी और ट्रैकिंग पेज पर अभी भी लिखा है कि पार्सल तैयार किया जा रहा है। "
    "क्या आप कृपया पता कर सकते हैं कि देरी क्यों हो रही है? गुरुवार से मैं घर पर नहीं रहूँगा, इसलिए अगर वह उससे पहले नहीं आ सकता, "
    "तो उसे मेरे कार्यालय के पते पर भेज दें। इसके अलावा बिल पर कंपनी का नाम गलत है।",
    "मैंने उस यात्रा के बारे में फिर से सोचा जिसकी योजना आपने हमारे लिए बनाई थी और मुझे लगता है कि हमें एक दिन पहले निकलना चाहिए। "
    "ट्रेन सुबह सात बजे चलती है, इससे सम्मेलन शुरू होने से पहले पुराना शहर देखने के लिए काफ़ी समय मिल जाएगा। मेरी बहन शाम को आएगी "
    "और वह मांस नहीं खाती, इसलिए कृपया कोई अच्छा रेस्तराँ ढूँढ़ें।",
]
JAPANESE = [
    "こんにちは。二週間前にウォールナットの昇降デスクを注文しましたが、追跡ページにはまだ荷物を準備中と表示されています。何が原因で遅れているのか"
    "調べていただけますか。木曜日からは家にいませんので、それまでに届かない場合は会社の住所に送ってください。また、請求書の会社名が間違っています。",
    "あなたが計画してくれた旅行についてもう一度考えましたが、一日早く出発した方がいいと思います。電車は朝七時に出るので、会議が始まる前に旧市街を"
    "見学する時間が十分あります。夜には姉が合流しますが、肉を食べないので、サラダ以外の料理もあるレストランを探してください。",
]
PORTUGUESE = [
    "Olá, pedi a escrivaninha de nogueira há duas semanas e a página de rastreamento ainda diz que o pacote está sendo "
    "preparado. Vocês podem verificar o que está acontecendo? A partir de quinta-feira não estarei em casa, então, se não "
    "puder chegar antes, prefiro que seja enviado para o meu escritório. Além disso, o nome na fatura está errado.",
    "Pensei de novo na viagem que você preparou para nós e acho que devemos sair um dia antes. O trem parte às sete da "
    "manhã, o que nos dá tempo suficiente para visitar o centro histórico antes do início da conferência. Minha irmã chega "
    "à noite e não come carne, então procure um restaurante que ofereça mais do que uma salada.",
]

KINDS = {
    "English": ENGLISH,
    "German": GERMAN,
    "Chinese": CHINESE,
    "Arabic": ARABIC,
    "code": CODE,
    "JSON": JSON,
    "emoji": EMOJI,
    "Spanish": SPANISH,
    "French": FRENCH,
    "Portuguese": PORTUGUESE,
    "Russian": RUSSIAN,
    "Hindi": HINDI,
    "Japanese": JAPANESE,
}

LEARNT_FROM = {kind: texts[:2] if len(texts) > 2 else texts[:1] for kind, texts in KINDS.items()}
MEASURED_BY = {kind: "\n\n".join(texts[len(LEARNT_FROM[kind]) :]) for kind, texts in KINDS.items()}
