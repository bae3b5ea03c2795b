from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.language.detect import choose, detect

SAID = {
    "en": """Where is my order?
        I forgot my password, can you help me?
        The app crashes when I open the settings
        good morning everyone
        How do I connect my calendar with this thing
        thanks a lot
        Please write a short poem about rain
        what's the weather like in Berlin
        My invoice shows the wrong amount
        hello there""",
    "de": """Wo ist meine Bestellung?
        Ich habe mein Passwort vergessen, kannst du mir helfen?
        Die App stürzt ab, wenn ich die Einstellungen öffne
        guten Morgen zusammen
        Wie verbinde ich meinen Kalender damit
        vielen Dank
        Bitte schreib ein kurzes Gedicht über den Regen
        wie wird das Wetter in Paris
        Auf meiner Rechnung steht der falsche Betrag
        Hallo, kann mir jemand helfen""",
    "es": """¿Dónde está mi pedido?
        He olvidado mi contraseña, ¿puedes ayudarme?
        La aplicación se cierra cuando abro los ajustes
        buenos días a todos
        Cómo conecto mi calendario con esto
        muchas gracias
        Por favor escribe un poema corto sobre la lluvia
        qué tiempo hace en Madrid
        Mi factura muestra un importe equivocado
        hola, necesito ayuda""",
    "fr": """Où est ma commande ?
        J'ai oublié mon mot de passe, pouvez-vous m'aider ?
        L'application plante quand j'ouvre les paramètres
        bonjour à tous
        Comment connecter mon agenda avec ça
        merci beaucoup
        Écris un court poème sur la pluie, s'il te plaît
        quel temps fait-il à Paris
        Ma facture affiche un mauvais montant
        salut, j'ai besoin d'aide""",
    "pt": """Onde está o meu pedido?
        Esqueci a minha senha, você pode me ajudar?
        O aplicativo fecha quando abro as configurações
        bom dia a todos
        Como conecto a minha agenda com isto
        muito obrigado
        Por favor escreva um poema curto sobre a chuva
        como está o tempo em Lisboa
        A minha fatura mostra um valor errado
        olá, preciso de ajuda""",
    "ru": """Где мой заказ?
        Я забыл пароль, помогите мне
        Приложение падает, когда я открываю настройки
        всем доброе утро
        спасибо
        напиши короткое стихотворение о дожде
        какая погода в Москве
        В счёте неверная сумма
        привет
        Как подключить календарь Google к этому""",
    "ar": """أين طلبي؟
        نسيت كلمة المرور، هل يمكنك مساعدتي؟
        يتوقف التطبيق عندما أفتح الإعدادات
        صباح الخير
        شكرا جزيلا
        اكتب قصيدة قصيرة عن المطر
        كيف الطقس في القاهرة
        المبلغ في فاتورتي خطأ
        مرحبا
        كيف أربط تقويم Google بهذا""",
    "hi": """मेरा ऑर्डर कहाँ है?
        मैं अपना पासवर्ड भूल गया, क्या आप मेरी मदद कर सकते हैं?
        सेटिंग्स खोलने पर ऐप बंद हो जाता है
        सुप्रभात
        बहुत धन्यवाद
        बारिश पर एक छोटी कविता लिखिए
        दिल्ली में मौसम कैसा है
        मेरे बिल में राशि गलत है
        नमस्ते
        मैं अपना Google कैलेंडर कैसे जोड़ूँ""",
    "zh": """我的订单在哪里？
        我忘记密码了，你能帮我吗？
        打开设置时应用崩溃
        大家早上好
        谢谢
        请写一首关于雨的短诗
        北京天气怎么样
        我的发票金额不对
        你好
        怎么连接我的 Google 日历""",
    "ja": """注文はどこですか？
        パスワードを忘れました。助けてもらえますか？
        設定を開くとアプリが落ちます
        皆さん、おはようございます
        ありがとうございます
        雨についての短い詩を書いてください
        東京の天気はどうですか
        請求書の金額が間違っています
        こんにちは
        Google カレンダーを連携したい""",
}


def test_languages_are_told_by_what_people_write(capsys):
    told = Counter()
    for tag, lines in SAID.items():
        for line in lines.splitlines():
            told["right" if (found := detect(line)) == tag else "untold" if found is None else "wrong"] += 1
    with capsys.disabled():
        print(f"\nlanguage detection: {dict(told)} of {told.total()}, accuracy {told['right'] / told.total():.0%}")
    assert told["right"] >= 0.97 * told.total()


@pytest.mark.parametrize(
    "text", ["", "ok", "12:30", "😀😀", "Ann", "https://example.org/der/die/das", "`der die das`", "?!", "x y z"]
)
def test_what_says_nothing_of_a_language_stays_untold(text):
    assert detect(text) is None


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("Please fix this: `für die nicht`", "en"),
        ("Warum geht das nicht?\n```\nthe and is not for you\n```", "de"),
        ("Dove è il mio ordine?", "it"),
        ("Waar is mijn bestelling?", "nl"),
        ("Де моє замовлення?", "uk"),
        ("سفارش من کجاست؟ چه شد", "fa"),
        ("주문이 어디 있나요?", "ko"),
        ("東京タワー", "ja"),
        ("Kannst du mir 你好 übersetzen?", "de"),
    ],
)
def test_code_does_not_count_and_neighbours_are_told_apart(text, tag):
    assert detect(text) == tag


@given(st.text())
def test_any_text_may_be_asked_about(text):
    detect(text)


def test_what_the_user_asked_for_goes_before_their_platform_and_that_before_their_words():
    assert choose("de-DE", "fr", "Where is it?") == "fr"
    assert choose("de-DE", None, "Where is it?") == "de"
    assert choose(None, None, "Wo ist das denn?") == "de"
    assert choose(None, None, "ok") == "en"
    assert choose("", "", "ok") == "en"
    assert choose("?!", None, "ok") == "en"
